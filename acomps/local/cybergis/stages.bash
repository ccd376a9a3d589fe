#!/bin/bash
# Runs the stages of a job, one after the other, whatever each of them returns; ends with the code of the first that
# failed. Arguments: the folder of the job, how the execution stage is spread (processes or srun), how many processes
# it has, the cores of each, and a number for the job where there is no Slurm to give one.
#
# `stages` holds words that end with a zero byte: a kind (stage, spread or raw) and the text for each stage. `variables`
# are those of the job, `exported` those that the job sets for everything it runs; none of their values is ever read
# as a piece of shell here. `modules` are loaded, `init` is run by this shell.

folder=$1 how=$2 count=$3 cores=$4 number=$5

words_of() {
    words=()
    local word
    while IFS= read -r -d '' word; do words+=("$word"); done <"$folder/$1"
}

mkdir -p "$folder/result/slurm_log" && cd "$folder/executable" || exit 1
exec >"$folder/result/slurm_log/job.stdout" 2>"$folder/result/slurm_log/job.stderr" </dev/null

words_of exported
exported=("${words[@]}")
words_of variables
variables=("${words[@]}")
if [[ $how != srun ]]; then
    export SLURM_JOB_ID=$number SLURM_JOBID=$number SLURM_NTASKS=$count SLURM_NPROCS=$count SLURM_CPUS_PER_TASK=$cores
    export SLURM_JOB_NUM_NODES=1 SLURM_NNODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0
    export SLURM_SUBMIT_DIR=$folder/executable
fi
# shellcheck disable=SC1091
[[ -s $folder/init ]] && . "$folder/init"
words_of modules
for module in "${words[@]}"; do
    if type module >/dev/null 2>&1; then
        module load "$module"
    else
        echo "the module $module is not loaded: there is no module command here" >&2
    fi
done

result=0
note() {
    if (($1 != 0 && result == 0)); then result=$1; fi
}

# A job without a variable has none to hand on: older shells call an empty list unset.
with=(/usr/bin/env ${exported[@]+"${exported[@]}"})
job=("${with[@]}" ${variables[@]+"${variables[@]}"})

spread() {
    if [[ $how == srun ]]; then
        srun --unbuffered --ntasks="$count" --cpus-per-task="$cores" --kill-on-bad-exit=0 "${job[@]}" /bin/bash -c "$1"
        return
    fi
    local pids=() rank pid code first=0
    for ((rank = 0; rank < count; rank++)); do
        "${job[@]}" "SLURM_PROCID=$rank" "SLURM_LOCALID=$rank" /bin/bash -c "$1" &
        pids+=("$!")
    done
    for pid in "${pids[@]}"; do
        wait "$pid"
        code=$?
        if ((code != 0 && first == 0)); then first=$code; fi
    done
    return "$first"
}

words_of stages
stages=("${words[@]}")
for ((at = 0; at + 1 < ${#stages[@]}; at += 2)); do
    text=${stages[at + 1]}
    case ${stages[at]} in
    spread) spread "$text" ;;
    raw) "${with[@]}" /bin/bash -c "$text" ;;
    *) "${job[@]}" /bin/bash -c "$text" ;;
    esac
    note "$?"
done
exit "$result"
