#!/usr/bin/env bash
# Everything that needs a GPU, in one command, on a bare machine with nvcc, cmake, ninja and a Python
# that has torch, pybind11, numpy, pytest, hypothesis, soundfile and transformers:
#   sessions on the device against the CPU, bit for bit; compute-sanitizer; the Python tests; timing.
set -euo pipefail
cd "$(dirname "$0")/.."
export HOPCODEC_REQUIRE_CUDA=1

cmake --preset cuda -DHOPCODEC_PYTHON=OFF
cmake --build --preset cuda --target cuda_device_test
build/cuda/tests/cpp/cuda_device_test

if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    compute-sanitizer --tool "$tool" --error-exitcode 1 build/cuda/tests/cpp/cuda_device_test 1
  done
else
  echo "compute-sanitizer: not found, skipped"
fi

python3 -c 'import sys; sys.path.insert(0, "benchmarks"); import bench_cuda; bench_cuda.build()'
PYTHONPATH=python python3 -m pytest -q tests/test_cuda.py
python3 benchmarks/bench_cuda.py "$@"
