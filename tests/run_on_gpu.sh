#!/usr/bin/env bash
# Everything that needs a GPU, in one command, on a bare machine with nvcc, cmake, ninja and a Python
# that has torch, pybind11, numpy, pytest, hypothesis, soundfile and transformers:
#
#   tests/run_on_gpu.sh [options of benchmarks/bench_cuda.py]
#
# Stages: the C++ tests on the device; the Python tests; the benchmarks; compute-sanitizer. A stage that
# fails does not stop those after it; the last lines say how each ended, the exit status whether all passed.
# STAGES="cpp python" runs some of them only.
set -uo pipefail
cd "$(dirname "$0")/.."
export HOPCODEC_REQUIRE_CUDA=1 PYTHONPATH=python
stages=${STAGES:-cpp python ops bench memcheck racecheck synccheck}
device_tests="cuda_device_test cuda_device_precision_test cuda_rvq_device_test"
PATH=$PATH:/usr/local/cuda/bin

build() {
  # shellcheck disable=SC2086
  cmake --preset cuda -DHOPCODEC_PYTHON=OFF &&
    cmake --build --preset cuda --target $device_tests &&
    python3 -c 'import sys; sys.path.insert(0, "benchmarks"); import bench_cuda; bench_cuda.build()' &&
    python3 -c 'from hopcodec import _core; _core.cuda_check(); assert not _core.cuda_stand_in()'
}

cpp() {
  local failed=0
  for test in $device_tests; do "build/cuda/tests/cpp/$test" || failed=1; done
  return "$failed"
}

python() { python3 -m pytest -q tests/test_cuda*.py; }
ops() { python3 benchmarks/bench_cuda_ops.py; }
bench() { python3 benchmarks/bench_cuda.py "${bench_options[@]}"; }

sanitize() {
  local failed=0
  for test in $device_tests; do
    compute-sanitizer --tool "$1" --error-exitcode 1 "build/cuda/tests/cpp/$test" 1 || failed=1
  done
  # Without torch's cache every tensor is an allocation of its own, whose ends are watched.
  PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --tool "$1" --error-exitcode 1 \
    python3 -m pytest -q tests/test_cuda_ops.py || failed=1
  return "$failed"
}
memcheck() { sanitize memcheck; }
racecheck() { sanitize racecheck; }
synccheck() { sanitize synccheck; }

bench_options=("$@")
build || { echo "the build failed: nothing was tested"; exit 1; }
summary="" status=0
for stage in $stages; do
  printf '\n=== %s (at %d s)\n' "$stage" "$SECONDS"
  if "$stage"; then verdict=passed; else verdict=FAILED status=1; fi
  summary+=$(printf '%-10s %s, at %d s' "$stage" "$verdict" "$SECONDS")$'\n'
done
printf '\n%s' "$summary"
exit "$status"
