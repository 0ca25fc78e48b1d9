#include "core/kv_cache/page_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "core/attention/counter_hash.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(PagePool, HandsOutPagesUntilNoneIsLeft) {
  PagePool pool(64, 2);
  const PageId a = pool.allocate(), b = pool.allocate();
  EXPECT_NE(a, b);
  EXPECT_EQ(error_of([&] { pool.allocate(); }), "all 2 pages of 64 bytes are in use");
  pool.release(a);
  EXPECT_EQ(pool.n_free(), 1);
  EXPECT_EQ(pool.allocate(), a);
  EXPECT_EQ(pool.peak_used(), 2);
}

TEST(PagePool, KeepsASharedPageUntilAllHaveReleasedIt) {
  PagePool pool(64, 4);
  const PageId page = pool.allocate();
  pool.share(page);
  EXPECT_EQ(pool.n_sharers(page), 2);
  EXPECT_EQ(pool.n_used(), 1);
  pool.release(page);
  EXPECT_EQ(pool.n_used(), 1);
  pool.release(page);
  EXPECT_EQ(pool.n_used(), 0);
  EXPECT_EQ(pool.n_sharers(page), 0);
}

TEST(PagePool, KnowsWhatIsNotInUse) {
  PagePool pool(64, 4);
  const PageId page = pool.allocate();
  pool.release(page);
  EXPECT_EQ(error_of([&] { pool.release(page); }), "page 0 is not in use");
  EXPECT_EQ(error_of([&] { pool.share(3); }), "page 3 is not in use");
  EXPECT_EQ(error_of([&] { pool.data(-1); }), "page -1 is not in use");
}

TEST(PagePool, RefusesWhatCannotBe) {
  EXPECT_EQ(error_of([] { PagePool(0, 4); }), "a page of 0 bytes holds nothing; it needs 1 at least");
  EXPECT_EQ(error_of([] { PagePool(64, -3); }), "a pool of -3 pages holds nothing; it needs 1 at least");
  PagePool huge(std::int64_t{1} << 61, std::numeric_limits<std::int64_t>::max());
  EXPECT_NE(error_of([&] { huge.allocate(); }).find("one more page needs 2305843009213693952 bytes of memory, and "),
            std::string::npos);
  EXPECT_EQ(huge.n_used(), 0);
  EXPECT_EQ(huge.n_known(), 0);
}

TEST(PagePool, OfCountedPagesHasNoBytes) {
  PagePool pool(std::int64_t{1} << 61, 8, PageMemory::kCounted);
  EXPECT_EQ(pool.data(pool.allocate()), nullptr);
}

TEST(PagePool, GivesEachPageBytesOfItsOwn) {
  PagePool pool(100, 8);
  std::vector<PageId> pages;
  for (int i = 0; i < 8; ++i) {
    pages.push_back(pool.allocate());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pool.data(pages.back())) % 64, 0U);
    std::fill_n(pool.data(pages.back()), 100, static_cast<std::byte>(i));
  }
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(std::count(pool.data(pages[static_cast<std::size_t>(i)]), pool.data(pages[static_cast<std::size_t>(i)]) + 100,
                         static_cast<std::byte>(i)),
              100);
}

TEST(PagePool, CountsAsASimpleModelDoes) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    constexpr std::int64_t kMost = 12;
    PagePool pool(32, kMost, PageMemory::kCounted);
    std::map<PageId, std::int64_t> model;  // sharers of the pages in use
    std::int64_t peak = 0;
    for (std::uint32_t step = 0; step < 200; ++step) {
      const std::uint32_t what = counter_hash(seed, {step, 0}) % 5, which = counter_hash(seed, {step, 1});
      auto at = model.begin();
      if (!model.empty()) std::advance(at, which % model.size());
      if (what <= 1) {
        if (std::ssize(model) == kMost) {
          EXPECT_THROW(pool.allocate(), Error);
        } else {
          const PageId page = pool.allocate();
          EXPECT_TRUE(model.emplace(page, 1).second) << "page " << page << " was in use";
        }
      } else if (!model.empty() && what == 2) {
        pool.share(at->first);
        ++at->second;
      } else if (!model.empty()) {
        pool.release(at->first);
        if (--at->second == 0) model.erase(at);
      }
      peak = std::max(peak, std::ssize(model));
      ASSERT_EQ(pool.n_used(), std::ssize(model));
      ASSERT_EQ(pool.n_free(), kMost - std::ssize(model));
      ASSERT_EQ(pool.peak_used(), peak);
      for (PageId page = 0; page < kMost; ++page) {
        const auto found = model.find(page);
        ASSERT_EQ(pool.n_sharers(page), found == model.end() ? 0 : found->second);
      }
    }
  }
}

}  // namespace
}  // namespace headroom
