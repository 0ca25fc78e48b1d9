#include "core/session/selected_tokens.h"

#include <gtest/gtest.h>

namespace headroom {
namespace {

/// "<bos> the cat sat": bytes 0-3, 4-7, 8-11.
Snapshot of_a_sentence() {
  Snapshot snapshot;
  snapshot.compute.trained.kind = ModelKind::kCausal;
  snapshot.tokens = {{.is_special = true}, {.begin = 0, .end = 3}, {.begin = 3, .end = 7}, {.begin = 7, .end = 11}};
  return snapshot;
}

void expect_range(const KeyRange& range, std::int64_t begin, std::int64_t end) {
  EXPECT_EQ(range.begin, begin);
  EXPECT_EQ(range.end, end);
}

TEST(SelectedTokens, AreThoseThatShareAByteWithTheSelection) {
  const Snapshot snapshot = of_a_sentence();
  expect_range(tokens_of_selection(snapshot, TextBox::kFirst, 4, 7), 2, 3);
  expect_range(tokens_of_selection(snapshot, TextBox::kFirst, 2, 8), 1, 4);
  expect_range(tokens_of_selection(snapshot, TextBox::kFirst, 0, 11), 1, 4);
  expect_range(tokens_of_selection(snapshot, TextBox::kFirst, 3, 3), 0, 0);
  expect_range(tokens_of_selection(snapshot, TextBox::kFirst, 50, 60), 0, 0);
  expect_range(tokens_of_selection(snapshot, TextBox::kSecond, 0, 11), 0, 0);
}

TEST(SelectedTokens, OfAPairAreOfTheBoxesOwnSentence) {
  Snapshot snapshot = of_a_sentence();
  snapshot.tokens.push_back({.begin = 0, .end = 4, .part = 1});
  expect_range(tokens_of_selection(snapshot, TextBox::kFirst, 0, 2), 1, 2);
  expect_range(tokens_of_selection(snapshot, TextBox::kSecond, 0, 2), 4, 5);
}

TEST(SelectedTokens, OfAnEncoderDecoderAreOfTheShownStack) {
  Snapshot snapshot = of_a_sentence();
  snapshot.compute.trained.kind = ModelKind::kEncoderDecoder;
  snapshot.compute.stack = AttentionStack::kEncoder;
  expect_range(tokens_of_selection(snapshot, TextBox::kFirst, 4, 7), 2, 3);
  expect_range(tokens_of_selection(snapshot, TextBox::kSecond, 4, 7), 0, 0);
  snapshot.compute.stack = AttentionStack::kCross;
  expect_range(tokens_of_selection(snapshot, TextBox::kFirst, 4, 7), 0, 0);
  expect_range(tokens_of_selection(snapshot, TextBox::kSecond, 4, 7), 2, 3);
}

}  // namespace
}  // namespace headroom
