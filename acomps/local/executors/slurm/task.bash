#!/bin/bash
# One task of a job array. It runs its simulations, each as a process group of its own, and leaves on the disk when each
# began and how it ended. Arguments: the folder of these statuses, the seconds between asking a simulation to end and
# ending it, and the cores of one simulation (0: one simulation at a time, however many cores there are).
#
# The list of simulations holds words that end with a zero byte: for each simulation the id of its job, its working
# directory, how many words its command has, and these. No word is ever read as a piece of shell.

statuses=$1 grace=$2 cores=$3
list=task-$SLURM_ARRAY_TASK_ID

ask_to_end() {
    kill -TERM -- "-$pid"
    { sleep "$grace"; kill -KILL -- "-$pid"; } &
    enforcer=$!
}

# SIGUSR1: some simulation of this task is to be cancelled; a file says which.
on_cancel() {
    noticed=1
    if [[ -n $pid && -z $enforcer && -e $statuses/$job.cancel ]]; then
        how=canceled
        ask_to_end
    fi
}

# SIGTERM: Slurm ends the whole task.
on_end() {
    noticed=1 over=1
    if [[ -n $pid && -z $enforcer ]]; then
        how=terminated
        ask_to_end
    fi
}

# One of several copies of a task gets a simulation, and it gets it once: whoever makes the file.
claim() {
    (set -C; printf '%s %s %s %s\n' "$SLURM_ARRAY_JOB_ID" "$SLURM_ARRAY_TASK_ID" "$begin" "$HOSTNAME" >"$statuses/$job.began") 2>/dev/null
}

tell() {
    printf '%s %s %s %s\n' "$code" "$begin" "$(date +%s.%N)" "$how" >"$statuses/.$job.ended" &&
        mv "$statuses/.$job.ended" "$statuses/$job.ended"
}

lane() {
    local words word count directory result=0
    set -m
    pid='' enforcer='' over=''
    trap on_cancel USR1
    trap on_end TERM
    while [[ -z $over ]] && IFS= read -r -d '' job <&3; do
        IFS= read -r -d '' directory <&3 && IFS= read -r -d '' count <&3 || break
        words=()
        while ((${#words[@]} < count)); do
            IFS= read -r -d '' word <&3 || return 1
            words+=("$word")
        done
        begin=$(date +%s.%N)
        claim || continue
        code=0 how=canceled
        if [[ ! -e $statuses/$job.cancel ]]; then
            how=ended
            (cd "$directory" && exec "${words[@]}") </dev/null >"$directory/stdout.txt" 2>"$directory/stderr.txt" 3<&- &
            pid=$!
            on_cancel
            if [[ -n $over ]]; then on_end; fi
            noticed=1
            while [[ -n $noticed ]]; do
                noticed=''
                wait "$pid"
                code=$?
            done
            kill -KILL -- "-$pid" 2>/dev/null
            if [[ -n $enforcer ]]; then kill -KILL -- "-$enforcer" 2>/dev/null; fi
            pid='' enforcer=''
            # Slurm ends all processes of a task at once: when the simulation was hit first, the news is still to come.
            if ((code == 143)) && [[ $how == ended ]]; then
                sleep 0.5
                if [[ -n $over ]]; then how=terminated; fi
            fi
        fi
        tell
        if ((code != 0)); then result=1; fi
    done 3<"$list"
    return "$result"
}

at_once=1
if ((cores > 0 && ${SLURM_CPUS_ON_NODE:-1} > cores)); then at_once=$((SLURM_CPUS_ON_NODE / cores)); fi
lanes=()
trap 'kill -USR1 "${lanes[@]}"' USR1
trap 'kill -TERM "${lanes[@]}"' TERM
for ((number = 0; number < at_once; number++)); do
    lane &
    lanes+=("$!")
done
result=0
for one in "${lanes[@]}"; do
    wait "$one"
    code=$?
    while kill -0 "$one" 2>/dev/null; do
        wait "$one"
        code=$?
    done
    if ((code != 0)); then result=1; fi
done
exit "$result"
