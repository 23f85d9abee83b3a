// Splits work on independent rows between the threads when there is enough of it.
#pragma once

#include <algorithm>
#include <cstddef>

#include "layers/pool.hpp"

namespace hopcodec::layers {

// Smallest task: a few microseconds of work, many times the cost of starting a task.
inline constexpr std::size_t kLeastTaskFloats = 8192;

template <class Work>
struct ParallelRows {
  const Work* work;
  std::size_t rows;
  std::size_t task_rows;
};

template <class Work>
HOPCODEC_REALTIME void run_range(void* context, int index) {
  const auto& all = *static_cast<const ParallelRows<Work>*>(context);
  const std::size_t first = static_cast<std::size_t>(index) * all.task_rows;
  (*all.work)(first, std::min(all.task_rows, all.rows - first));
}

// Calls work(first, count) for ranges that partition [0, rows).
template <class Work>
void parallel_rows(Pool& pool, std::size_t rows, std::size_t row_floats,
                   const Work& work) noexcept {
  if (pool.threads() == 1 || rows * row_floats < 2 * kLeastTaskFloats) {
    work(std::size_t{0}, rows);
    return;
  }
  ParallelRows<Work> all{&work, rows, (kLeastTaskFloats + row_floats - 1) / row_floats};
  pool.run(&run_range<Work>, &all, static_cast<int>((rows + all.task_rows - 1) / all.task_rows));
}

}  // namespace hopcodec::layers
