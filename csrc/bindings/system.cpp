// Binds functions about the machine: its instruction sets and its measured peak rates.
#include <chrono>
#include <cstdlib>

#include "base/float_mode.hpp"
#include "base/isa.hpp"
#include "base/memory.hpp"
#include "bindings/arrays.hpp"
#include "bindings/isa_argument.hpp"
#include "kernels/dispatch.hpp"

#include <pybind11/stl.h>
#include <algorithm>

namespace hopcodec::bindings {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Takes the best of a few runs, so that other load on the machine matters less.
double measure_fma_gflops() {
  const kernels::KernelTable& table = kernels::table_of(isa_argument(""));
  constexpr std::size_t kCount = std::size_t{1} << 26;
  volatile float sink = 0.0F;
  double best = 0.0;
  for (int run = 0; run < 5; ++run) {
    const auto start = std::chrono::steady_clock::now();
    sink = sink + table.fma_burst(kCount);
    best = std::max(best, 2.0 * static_cast<double>(kCount) / seconds_since(start) * 1e-9);
  }
  return best;
}

double measure_read_gbps(std::size_t bytes) {
  if (bytes < 4096)
    throw py::value_error("bytes: expected at least 4096, got " + std::to_string(bytes));
  const kernels::KernelTable& table = kernels::table_of(isa_argument(""));
  const std::size_t floats = bytes / sizeof(float);
  const base::FloatBuffer buffer = base::make_floats(floats);
  volatile float sink = 0.0F;
  double best = 0.0;
  for (int run = 0; run < 8; ++run) {
    const auto start = std::chrono::steady_clock::now();
    sink = sink + table.read_burst(buffer.get(), floats);
    best = std::max(best, static_cast<double>(bytes) / seconds_since(start) * 1e-9);
  }
  return best;
}

}  // namespace

base::Isa isa_argument(const std::string& name) {
  if (!name.empty()) return base::parse_isa(name);
  const char* forced = std::getenv("HOPCODEC_ISA");
  return forced != nullptr && *forced != '\0' ? base::parse_isa(forced) : base::best_isa();
}

void bind_system(py::module_& m) {
  m.def(
      "isa", [] { return base::name_of(isa_argument("")); },
      "The instruction set in use: HOPCODEC_ISA if set, else the fastest available.");
  m.def("available_isas", [] {
    std::vector<std::string> names;
    for (const auto isa :
         {base::Isa::kGeneric, base::Isa::kNeon, base::Isa::kAvx2, base::Isa::kAvx512}) {
      if (base::is_available(isa)) names.emplace_back(base::name_of(isa));
    }
    return names;
  });
  m.def(
      "enter_default_float_mode",
      [] {
        const base::FloatMode::Register callers = base::FloatMode::now();
        base::FloatMode::set(base::FloatMode::kDefault);
        return callers;
      },
      "Set this thread's default floating-point mode; returns the caller's for leave_float_mode.");
  m.def("leave_float_mode", &base::FloatMode::set, py::arg("callers"));
  m.def("measure_fma_gflops", &measure_fma_gflops, py::call_guard<ReleasedGil>());
  m.def("measure_read_gbps", &measure_read_gbps, py::arg("bytes"));
}

}  // namespace hopcodec::bindings
