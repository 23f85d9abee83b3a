# shellcheck shell=bash
# Tiers: tests that take too long for every change. .ci/full-passed names the commit at which each
# passed last. A tier runs again when anything that it tests differs from that commit, and when that
# commit is not to be had (a shallow clone, a rebased branch). So no tier is left out unseen.

tiers=(asan-ubsan tsan neon nvcc stand-in slow slow-torch slow-top slow-live)

# What each tier tests, as git's pathspecs: their * stands for slashes as well.
declare -A tier_paths=(
  [asan-ubsan]="csrc tests/cpp :!csrc/bindings"
  [tsan]="csrc/base csrc/layers csrc/realtime csrc/graph tests/cpp"
  [neon]="csrc/base csrc/kernels csrc/layers csrc/graph tests/cpp"
  [nvcc]="csrc/*cuda* csrc/*.hpp tests/cpp/*cuda*"
  [stand-in]="csrc tests/cpp tests/cuda tests/support python/hopcodec/ops"
  [slow-top]="csrc python tests :!tests/cpp pyproject.toml"
)
# A package of Python imports only those below it, so a change above it cannot change what it does.
torch_tests=(tests/torch tests/hf)
top_tests=(tests/live tests/evaluation tests/training tests/cli)
tier_paths[slow-torch]="${tier_paths[slow-top]} ${top_tests[*]/#/:!} ${top_tests[*]/#tests/:!python/hopcodec}"
tier_paths[slow-live]="${tier_paths[slow-top]} :!python/hopcodec/training :!tests/training"
tier_paths[slow]="${tier_paths[slow-torch]} :!python/hopcodec/torch ${torch_tests[*]/#/:!}"
# How everything is built and tested.
every_tier="CMakeLists.txt CMakePresets.json .ci :!.ci/full-passed"

changed() { # tier: files that differ from when it passed last, or that nobody knows
  local tier=$1 commit paths
  commit=$(sed -n "s/^$tier //p" .ci/full-passed 2>/dev/null || true)
  git cat-file -e "${commit:-none}^{commit}" 2>/dev/null || {
    echo "no commit known at which it passed"
    return
  }
  read -ra paths <<<"${tier_paths[$tier]} $every_tier"
  git diff --name-only "$commit" -- "${paths[@]}"
  git ls-files --others --exclude-standard -- "${paths[@]}"
}

tiers_to_run() { # "" or --full: says which and why, and sets `chosen`
  local tier because
  chosen=()
  for tier in "${tiers[@]}"; do
    because=$(changed "$tier")
    if [ -n "$because" ]; then
      printf 'runs    %-10s  %s\n' "$tier" "$(head -n 1 <<<"$because")$(more "$because")"
    elif [ "$1" = --full ]; then
      printf 'runs    %-10s  --full\n' "$tier"
    else
      printf 'leaves  %-10s  nothing that it tests has changed since it passed\n' "$tier"
      continue
    fi
    chosen+=("$tier")
  done
}

more() { # lines: how many there are beyond the first
  local lines
  lines=$(wc -l <<<"$1")
  [ "$lines" = 1 ] || printf ' and %d more' $((lines - 1))
}

cpp_tests() { # preset, options of cmake
  quietly cmake --preset "$@"
  quietly cmake --build --preset "$1"
  ctest --preset "$1" --parallel 2
}

with_python() { # preset, options of cmake: its C++ tests, and a copy of the package with its extension
  cpp_tests "$@" -DHOPCODEC_PYTHON=ON -DPython_EXECUTABLE="$(command -v python)" \
    -Dpybind11_DIR="$(python -m pybind11 --cmakedir)"
  quietly cmake --build "build/$1" --target _core
  cp -r python "$scratch/$1"
  cp "build/$1"/_core*.so "$scratch/$1/hopcodec/"
}

tier_asan-ubsan() { cpp_tests asan-ubsan; }
tier_tsan() { cpp_tests tsan; }
tier_neon() { cpp_tests neon; }

# Without a GPU the device's tests compile, and say that there is none.
tier_nvcc() {
  with_python cuda
  command -v nvidia-smi >/dev/null || PYTHONPATH="$scratch/cuda" python - <<'PYTHON'
import hopcodec

try:
    hopcodec.load(device="cuda")
except hopcodec.DeviceError as error:
    print(error)
    assert "got one without" not in str(error), "expected an extension with CUDA, got one without"
else:
    raise SystemExit("expected a DeviceError on a machine without a GPU")
PYTHON
}

# The GPU's kernels, executed on the CPU.
tier_stand-in() {
  with_python standin
  PYTHONPATH="$scratch/standin" HOPCODEC_REQUIRE_CUDA=1 pytest -q -n 2 -m "not live" tests/cuda
}

tier_slow() { slow_tests tests "${torch_tests[@]/#/--ignore=}" "${top_tests[@]/#/--ignore=}"; }
tier_slow-torch() { slow_tests "${torch_tests[@]}"; }
tier_slow-top() { slow_tests "${top_tests[@]}"; }
tier_slow-live() { pytest -q -m "live and slow"; }

slow_tests() { # folders
  local status=0
  pytest -q -n 2 -m "slow and not live" "$@" || status=$?
  # 5: no test of these folders is slow.
  [ "$status" = 0 ] || [ "$status" = 5 ]
}

# What this machine lacks, where a tier cannot run on it.
tier_lacks() { # tier
  local tool tools=()
  [ "$1" != neon ] || tools=(aarch64-linux-gnu-g++ qemu-aarch64)
  [ "$1" != nvcc ] || tools=(nvcc)
  for tool in "${tools[@]}"; do
    command -v "$tool" >/dev/null || echo "$tool"
  done
}

passed() { # tier: noted for the commit that is checked out, where nothing else is
  if [ -n "$(git status --porcelain -- . ':!.ci/full-passed')" ]; then
    echo "not noted in .ci/full-passed: files differ from the commit"
    return
  fi
  touch .ci/full-passed
  sed -i "/^$1 /d" .ci/full-passed
  echo "$1 $(git rev-parse HEAD)" >>.ci/full-passed
  sort -o .ci/full-passed .ci/full-passed
}
