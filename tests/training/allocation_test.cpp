// No memory is asked for in a step once its shapes have been seen: counted in operator new itself.

#include <atomic>
#include <cstdlib>
#include <new>

#include "core/training/adamw.h"
#include "core/training/network.h"
#include "tests/training/forms.h"

namespace {
std::atomic<bool> g_counts = false;
std::atomic<int> g_allocations = 0;

void* allocate(std::size_t size, std::size_t alignment) {
  if (g_counts) ++g_allocations;
  void* memory = alignment == 0 ? std::malloc(size) : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

void* operator new(std::size_t size) { return allocate(size, 0); }
void* operator new(std::size_t size, std::align_val_t alignment) { return allocate(size, static_cast<std::size_t>(alignment)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace headroom {
namespace {

TEST(Allocation, NoneInAStep) {
  for (const test::Form& form : test::forms()) {
    ThreadPool pool(2);
    Network network(form.config, pool);
    AdamW optimiser(network.layout(), {});
    std::ranges::copy(draw_parameters(network.layout(), 1), network.parameters().begin());
    network.parameters_changed();
    const Batch batch = test::random_batch(form.config, {.n_rows = 6, .seq = 20}, 3);
    const Batch smaller = test::random_batch(form.config, {.n_rows = 3, .seq = 9}, 3);
    const auto step = [&](const Batch& read, bool is_first) {
      network.accumulate(read, {.scale = 0.01F, .first = is_first});
      optimiser.step(pool, network.parameters(), network.gradients(), 1e-3F);
      network.parameters_changed();
    };
    step(batch, true);
    step(batch, false);
    g_allocations = 0;
    g_counts = true;
    step(batch, true);
    step(smaller, false);
    g_counts = false;
    EXPECT_EQ(g_allocations, 0) << form.name;
  }
}

}  // namespace
}  // namespace headroom
