#!/bin/sh
# Prints the state of a PBS job in the words that Snakemake expects: running, success or failed.
# usage: pbs/status.sh JOB
set -u
# -x: ended jobs too, which PBS remembers for some time, usually two weeks.
found=$(qstat -f -x "$1" 2>/dev/null)
asked=$?
state=$(printf '%s\n' "$found" | sed -n 's/^ *job_state = *//p')
status=$(printf '%s\n' "$found" | sed -n 's/^ *Exit_status = *//p')
if [ "$asked" = 153 ]; then
    echo failed # an unknown job
elif [ "$state" != F ]; then
    echo running # or the server does not answer just now: Snakemake asks again
elif [ "$status" = 0 ]; then
    echo success
else
    echo failed
fi
