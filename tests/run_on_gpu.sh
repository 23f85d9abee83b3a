#!/usr/bin/env bash
# Everything that needs a GPU, in one command:
#
#   tests/run_on_gpu.sh [options of benchmarks/bench_cuda.py]
#   tests/run_on_gpu.sh --rehearse    the same without a GPU, over its stand-in on the CPU
#
# Stages: the C++ tests on the device, against the CPU bit for bit; the Python tests; the benchmarks;
# compute-sanitizer. One that fails does not stop those after it; the last lines say how each ended,
# the exit status whether all passed. STAGES="cpp bench" runs some only.
#
# On a bare machine it takes nvcc, a C++20 compiler, cmake, ninja, and a python3 with its headers,
# numpy, torch and transformers. Of the other packages what is missing is installed beside the build,
# nowhere else: from the wheels in the folder $HOPCODEC_WHEELS, else from PyPI.
# shellcheck disable=SC2329  # stages are called by their names
set -uo pipefail
cd "$(dirname "$0")/.." || exit
export HOPCODEC_REQUIRE_CUDA=1
PATH=$PATH:/usr/local/cuda/bin
site=$PWD/build/gpu_site
rehearse=$([ "${1:-}" = --rehearse ] && echo --rehearse)
bench_options=("$@")

fail() { echo "$1"; exit 1; }

tools="cmake ninja ${CXX:-c++} python3"
[ -n "$rehearse" ] || tools+=" ${CUDACXX:-nvcc} compute-sanitizer"
for tool in $tools; do
  command -v "$tool" >/dev/null || fail "expected $tool on the PATH, got none"
done

# With what each of them needs in turn: --no-deps leaves this machine's numpy and torch alone.
export PYTHONPATH=$PWD/python:$site${PYTHONPATH:+:$PYTHONPATH}
install() {
  local missing
  missing=$(python3 - <<'PYTHON'
import sys
from importlib.util import find_spec

absent = [name for name in ("numpy", "torch", "transformers") if find_spec(name) is None]
if absent:
    sys.exit(f"expected a Python with numpy, torch and transformers, got one without {absent}")
needs = {
    "pybind11": ("pybind11",),
    "pytest": ("pytest", "iniconfig", "packaging", "pluggy", "pygments"),
    "hypothesis": ("hypothesis", "sortedcontainers"),
    "soundfile": ("soundfile", "cffi", "pycparser", "typing_extensions"),
}
print(*sorted({n for whole in needs.values() for n in whole if find_spec(n) is None}))
PYTHON
  ) || return 1
  [ -n "$missing" ] || return 0
  echo "installing into build/gpu_site: $missing"
  # shellcheck disable=SC2086
  python3 -m pip install -q --no-deps --upgrade --target "$site" \
    ${HOPCODEC_WHEELS:+--no-index --find-links "$HOPCODEC_WHEELS"} $missing
}

build() { # preset, folder, HOPCODEC_CUDA of the C++ tests and of the extension, target
  cmake --preset "$1" -B "$2" -DHOPCODEC_CUDA="$3" -DHOPCODEC_PYTHON=OFF &&
    cmake --build "$2" --target "$5" && python3 benchmarks/build_cuda.py "$4"
}

install || exit 1
if [ -n "$rehearse" ]; then
  echo "compute-sanitizer: for a GPU only, left out"
  stages=${STAGES:-cpp python ops bench}
  build standin build/rehearsal STANDIN STANDIN stand_in_tests || fail "the build failed"
  programs=(build/rehearsal/tests/cpp/cuda_*_test)
else
  stages=${STAGES:-cpp python ops bench memcheck racecheck synccheck}
  build cuda build/cuda ON ON device_tests || fail "the build failed"
  programs=(build/cuda/tests/cpp/cuda_*device*_test)
fi

# Every mark, and no option of a plugin that a bare machine lacks.
pytest=(python3 -m pytest -q -o addopts=--import-mode=importlib)

cpp() {
  local failed=0
  for program in "${programs[@]}"; do "$program" || failed=1; done
  return "$failed"
}
# Of torch's operators on CUDA tensors there is nothing to rehearse: torch has no stand-in.
python() {
  "${pytest[@]}" tests/cuda/test_cuda*.py ${rehearse:+--ignore=tests/cuda/test_cuda_torch_ops.py}
}
ops() { python3 benchmarks/bench_cuda_ops.py ${rehearse:+--rehearse}; }
bench() { python3 benchmarks/bench_cuda.py "${bench_options[@]}"; }

sanitize() { # tool
  local failed=0
  for program in "${programs[@]}"; do
    compute-sanitizer --tool "$1" --error-exitcode 1 "$program" 1 || failed=1
  done
  # Without torch's cache every tensor is an allocation of its own, whose ends are watched.
  PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool "$1" --error-exitcode 1 \
    "${pytest[@]}" tests/cuda/test_cuda_ops.py || failed=1
  return "$failed"
}
memcheck() { sanitize memcheck; }
racecheck() { sanitize racecheck; }
synccheck() { sanitize synccheck; }

summary="" status=0
for stage in $stages; do
  printf '\n=== %s (at %d s)\n' "$stage" "$SECONDS"
  if "$stage"; then verdict=passed; else verdict=FAILED status=1; fi
  summary+=$(printf '%-10s %s, at %d s' "$stage" "$verdict" "$SECONDS")$'\n'
done
printf '\n%s' "$summary"
exit "$status"
