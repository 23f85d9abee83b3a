# shellcheck shell=bash
# Steps of a script, their seconds, and work beside them. Expects the folder $scratch.

step() { # name; the step before it ends here
  step_end
  step_name=$*
  step_start=$SECONDS
  printf '\n=== %s (at %d s)\n' "$step_name" "$step_start"
}

step_end() {
  [ -z "${step_name:-}" ] ||
    printf '%5d s  %s\n' $((SECONDS - step_start)) "$step_name" >>"$scratch/steps"
  step_name=
}

declare -A background_pids
background() { # name, command: runs beside what follows, until `finish name`
  local name=$1 start=$SECONDS
  shift
  {
    "$@"
    printf '%5d s  beside the others: %s\n' $((SECONDS - start)) "$name" >>"$scratch/steps"
  } >"$scratch/$name.log" 2>&1 </dev/null &
  background_pids[$name]=$!
}

finish() { # name: what it printed; its failure is ours
  local status=0
  step "waiting for: $1"
  wait "${background_pids[$1]}" || status=$?
  cat "$scratch/$1.log"
  [ "$status" = 0 ] || echo "FAILED: $1"
  return "$status"
}

quietly() { # command: what it prints only if it fails
  "$@" >"$scratch/quietly" 2>&1 || {
    cat "$scratch/quietly"
    return 1
  }
}

print_steps() {
  step_end
  printf '\n=== seconds of each step\n'
  cat "$scratch/steps"
  printf '%5d s  so far\n' "$SECONDS"
}
