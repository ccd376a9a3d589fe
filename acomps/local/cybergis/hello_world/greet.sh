#!/bin/bash
# The program of the template hello_world. Its first argument says which stage it is.

whom=${param_whom:-world}
times=${param_times:-1}
greetings=$result_folder/greetings

case $1 in
prepare)
    mkdir -p "$greetings"
    echo "job $job_id of $user_id on $hpc: ${SLURM_NTASKS:-1} tasks will greet $whom"
    ;;
greet)
    line="hello $whom, says task ${SLURM_PROCID:-0} of job $job_id"
    if [[ $param_tone == loud ]]; then line=$(tr '[:lower:]' '[:upper:]' <<<"$line"); fi
    for ((count = 0; count < times; count++)); do echo "$line"; done >"$greetings/task-${SLURM_PROCID:-0}.txt"
    ;;
gather)
    cat "$greetings"/task-*.txt >"$result_folder/all.txt"
    echo "$(wc -l <"$result_folder/all.txt" | tr -d ' ') greetings are in all.txt"
    ;;
esac
