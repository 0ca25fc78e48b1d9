#include "core/tensor/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "core/tensor/error.h"

namespace headroom {
namespace {

TEST(ThreadPool, RunsEveryItemOnceWithAValidThread) {
  for (const int n_threads : {1, 2, 5}) {
    ThreadPool pool(n_threads);
    ASSERT_EQ(pool.n_threads(), n_threads);
    for (const std::int64_t n_items : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(n_items));
      std::atomic<int> wrong_threads = 0;
      pool.parallel_for(n_items, [&](std::int64_t item, int thread) {
        ++runs[static_cast<std::size_t>(item)];
        if (thread < 0 || thread >= n_threads) ++wrong_threads;
      });
      EXPECT_EQ(wrong_threads, 0);
      for (const auto& count : runs) {
        EXPECT_EQ(count, 1);
      }
    }
  }
}

TEST(ThreadPool, WhatTheBodiesWroteIsSeenAfterwards) {
  ThreadPool pool(4);
  for (int round = 0; round < 500; ++round) {  // plain memory: a missing synchronisation shows under tsan
    std::vector<int> values(64, -1);
    pool.parallel_for(64, [&](std::int64_t item, int) { values[static_cast<std::size_t>(item)] = round; });
    EXPECT_EQ(values, std::vector<int>(64, round));
  }
}

TEST(ThreadPool, ThreadsWorkTogether) {
  ThreadPool pool(3);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::atomic<int> n_inside = 0;
  pool.parallel_for(3, [&](std::int64_t, int) {  // ends only once all three threads are inside
    {
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    }
    ++n_inside;
    while (n_inside < 3) {
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(threads.size(), 3U);
}

TEST(ThreadPool, OneThreadRunsOnTheCaller) {
  ThreadPool pool(1);
  pool.parallel_for(5, [caller = std::this_thread::get_id()](std::int64_t, int thread) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_EQ(thread, 0);
  });
}

TEST(ThreadPool, ZeroThreadsMeansAllProcessors) {
  EXPECT_EQ(ThreadPool().n_threads(), std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
}

TEST(ThreadPool, PassesTheFirstExceptionOnAndWorksAgain) {
  for (const int n_threads : {1, 3}) {
    ThreadPool pool(n_threads);
    std::atomic<int> n_run = 0;
    const auto body = [&](std::int64_t item, int) {
      ++n_run;
      if (item == 5) throw Error("item five");
    };
    try {
      pool.parallel_for(100000, body);
      FAIL() << "the exception was lost";
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "item five");
    }
    EXPECT_LT(n_run, 100000) << "items went on after the failure";
    n_run = 0;
    pool.parallel_for(5, body);
    EXPECT_EQ(n_run, 5);
  }
}

TEST(ThreadPool, StopsBetweenItems) {
  for (const int n_threads : {1, 3}) {
    ThreadPool pool(n_threads);
    std::stop_source source;
    std::atomic<int> n_run = 0;
    EXPECT_THROW(pool.parallel_for(
                     100000,
                     [&](std::int64_t, int) {
                       if (++n_run == 10) source.request_stop();
                     },
                     source.get_token()),
                 Cancelled);
    EXPECT_LT(n_run, 100000);
    EXPECT_THROW(pool.parallel_for(
                     3, [&](std::int64_t, int) { FAIL(); }, source.get_token()),
                 Cancelled);
  }
}

TEST(ThreadPool, AStopAfterTheLastItemIsNoCancellation) {
  ThreadPool pool(2);
  std::stop_source source;
  pool.parallel_for(
      1, [&](std::int64_t, int) { source.request_stop(); }, source.get_token());
}

TEST(ThreadPool, WaitingWorkersSleep) {
  ThreadPool pool(4);
  pool.parallel_for(8, [](std::int64_t, int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const std::clock_t before = std::clock();  // processor time of all threads
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const double busy_ms = 1e3 * static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  EXPECT_LT(busy_ms, 100) << "three spinning workers would burn 200 to 600 ms";
}

}  // namespace
}  // namespace headroom
