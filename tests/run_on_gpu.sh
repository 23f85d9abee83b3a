#!/usr/bin/env bash
# Everything that needs a GPU, in one command, on a bare machine with nvcc, cmake, ninja and a Python
# that has torch, pybind11, numpy, pytest, hypothesis, soundfile and transformers:
#   sessions on the device against the CPU, bit for bit; compute-sanitizer; the Python tests; timing.
set -euo pipefail
cd "$(dirname "$0")/.."
export HOPCODEC_REQUIRE_CUDA=1

cmake --preset cuda -DHOPCODEC_PYTHON=OFF
tests="cuda_device_test cuda_device_precision_test cuda_rvq_device_test"
# shellcheck disable=SC2086
cmake --build --preset cuda --target $tests
for test in $tests; do "build/cuda/tests/cpp/$test"; done

if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    for test in $tests; do
      compute-sanitizer --tool "$tool" --error-exitcode 1 "build/cuda/tests/cpp/$test" 1
    done
  done
else
  echo "compute-sanitizer: not found, skipped"
fi

python3 -c 'import sys; sys.path.insert(0, "benchmarks"); import bench_cuda; bench_cuda.build()'
PYTHONPATH=python python3 -m pytest -q tests/test_cuda*.py
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    # Without torch's cache every tensor is an allocation of its own, whose ends are watched.
    PYTHONPATH=python PYTORCH_NO_CUDA_MEMORY_CACHING=1 \
      compute-sanitizer --tool "$tool" --error-exitcode 1 python3 -m pytest -q tests/test_cuda_ops.py
  done
fi
python3 benchmarks/bench_cuda_ops.py
python3 benchmarks/bench_cuda.py "$@"
