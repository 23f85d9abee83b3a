// Tests the pool: it runs every task once, results do not depend on the number of threads, and it
// shuts down cleanly.
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.hpp"
#include "kernels/dispatch.hpp"
#include "layers/packed.hpp"
#include "layers/pool.hpp"
#include "random.hpp"

namespace hopcodec::test {
namespace {

using layers::Pool;

constexpr int kMostTasks = 70;

struct Job {
  std::atomic<int> runs[kMostTasks];
  int number;  // tasks read it without a lock, so the pool must order the accesses
  int tasks;
  std::atomic<int> strays;
};

void count(void* context, int index) {
  Job& job = *static_cast<Job*>(context);
  if (index < 0 || index >= job.tasks) {
    ++job.strays;
    return;
  }
  job.runs[index].fetch_add(job.number, std::memory_order_relaxed);
}

// Thousands of jobs, many of them tiny, so that late helpers meet the next job. Contexts alternate,
// and the context of a finished job is cleared at once, so that a task with the wrong context is
// detected.
void check_each_task_runs_once(int threads, int jobs) {
  Pool pool(threads);
  CHECK(pool.threads() == threads);
  Job contexts[2] = {};
  Random random(static_cast<std::uint64_t>(threads));
  bool once = true;
  for (int j = 1; j <= jobs; ++j) {
    Job& job = contexts[j % 2];
    job.number = j;
    job.tasks = random.below(8) == 0 ? random.below(kMostTasks + 1) : random.below(5);
    pool.run(&count, &job, job.tasks);
    for (int i = 0; i < kMostTasks; ++i) {
      once = once && job.runs[i].exchange(0) == (i < job.tasks ? j : 0);
    }
    once = once && job.strays == 0;
    job.number = job.tasks = 0;
  }
  CHECK(once, threads);
}

// The helpers fall asleep between jobs, and the next job still completes.
void check_work_after_idling(int threads) {
  Pool pool(threads);
  Job job = {};
  for (int round = 1; round <= 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
    job.number = 1;
    job.tasks = kMostTasks;
    pool.run(&count, &job, job.tasks);
    for (int i = 0; i < kMostTasks; ++i) CHECK(job.runs[i] == round, threads, i);
  }
}

void check_starting_and_stopping() {
  for (int round = 0; round < 50; ++round) {
    for (int threads = 1; threads <= 4; ++threads) {
      Pool pool(threads);
      if (round % 2 == 0) continue;  // never used
      Job job = {};
      job.number = 1;
      job.tasks = 9;
      pool.run(&count, &job, job.tasks);
      for (int i = 0; i < 9; ++i) CHECK(job.runs[i] == 1, i);
    }
  }
  for (const int threads : {0, -1, 257}) {
    bool thrown = false;
    try {
      const Pool pool(threads);
    } catch (const std::invalid_argument&) {
      thrown = true;
    }
    CHECK(thrown, threads);
  }
}

// A product large enough to be split, with rows in blocks of every length.
std::vector<float> multiply(const layers::Packed& matrix, int threads, bool resume) {
  constexpr int kRows = 530;  // more than one batch
  const int depth = matrix.depth();
  const int columns = matrix.columns();
  Random random(3);
  const std::vector<float> a = random.uniform(static_cast<std::size_t>(kRows * depth), 1.0F);
  std::vector<float> c = random.uniform(static_cast<std::size_t>(kRows * columns), 1.0F);
  std::vector<layers::RowBlock> blocks;
  for (int row = 0; row < kRows;) {
    const int rows = std::min(1 + row % 200, kRows - row);
    blocks.push_back({a.data() + row * depth, depth, c.data() + row * columns, columns, rows});
    row += rows;
  }
  Pool pool(threads);
  const layers::Compute compute{kernels::table_of(base::best_isa()), pool};
  for (int repeat = 0; repeat < 5; ++repeat) {
    matrix.multiply(compute, {1, depth, 0}, blocks.data(), static_cast<int>(blocks.size()),
                    resume || repeat > 0);
  }
  return c;
}

void check_results_do_not_depend_on_threads() {
  Random random(2);
  constexpr int kDepth = 300;  // more than one chain
  constexpr int kColumns = 145;
  const std::vector<float> weight = random.uniform(kDepth * kColumns, 0.1F);
  const std::vector<float> bias = random.uniform(kColumns, 1.0F);
  const layers::Packed matrix(weight.data(), bias.data(), kDepth, kColumns);
  for (const bool resume : {false, true}) {
    const std::vector<float> expected = multiply(matrix, 1, resume);
    for (int threads = 2; threads <= 4; ++threads) {
      CHECK(multiply(matrix, threads, resume) == expected, threads);
    }
  }
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  for (int threads = 1; threads <= 4; ++threads) {
    check_each_task_runs_once(threads, 5000);
    check_work_after_idling(threads);
  }
  check_starting_and_stopping();
  check_results_do_not_depend_on_threads();
  return finish();
}
