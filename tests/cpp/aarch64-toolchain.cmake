# AArch64 Linux from another machine: cross compiler and user-mode emulation, so that the NEON
# kernels are compared with the generic ones anywhere.
#
#   cmake -S . -B build/aarch64 -G Ninja --toolchain tests/cpp/aarch64-toolchain.cmake \
#     -DHOPCODEC_PYTHON=OFF -DHOPCODEC_TESTS=ON -DHOPCODEC_WERROR=ON
#   cmake --build build/aarch64 && ctest --test-dir build/aarch64 --output-on-failure
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64;-L;/usr/aarch64-linux-gnu")
