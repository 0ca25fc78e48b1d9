#include "core/session/session_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "core/formats/file.h"
#include "core/session/reduce.h"
#include "core/tensor/error.h"
#include "random_session.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::string failure_of(std::string_view json) {
  try {
    session_from_json(json);
  } catch (const Error& error) {
    return error.what();
  }
  return "no failure";
}

TEST(SessionJson, DefaultRoundTripsAndIsReadable) {
  const std::string json = session_to_json(Session{});
  EXPECT_THAT(json, StartsWith("{\n  \"version\": 1,\n  \"compute\": {\n    \"text\": \"The cat that sat"));
  for (const char* part :
       {"\"direction\": \"causal\"", "\"pattern\": \"dense\"", "\"colormap\": \"viridis\"", "\"backend\": \"auto\"",
        "\"head\": \"3.1\"", "\"key\": null", "\"pruned\": []", "\"kv_type\": \"float32\"", "\"n_kv_heads\": 8"}) {
    EXPECT_THAT(json, HasSubstr(part));
  }
  const ParsedSession parsed = session_from_json(json);
  EXPECT_EQ(parsed.session, Session{});
  EXPECT_THAT(parsed.notices, IsEmpty());
}

TEST(SessionJson, EverySessionThatActionsMakeRoundTrips) {
  testing::Random random(11);
  Session session;
  for (int i = 0; i < 3000; ++i) {
    session = reduce(session, testing::random_action(random)).session;
    const std::string json = session_to_json(session);
    const ParsedSession parsed = session_from_json(json);
    ASSERT_EQ(parsed.session, session) << json;
    ASSERT_THAT(parsed.notices, IsEmpty()) << json;
    ASSERT_EQ(session_to_json(parsed.session), json);
  }
}

TEST(SessionJson, InvalidUtf8SurvivesByteForByte) {
  Session session;
  std::string bytes;
  for (int c = 0; c < 256; ++c)
    bytes += static_cast<char>(c);
  session.compute.text = bytes;
  const std::string json = session_to_json(session);
  EXPECT_THAT(json, HasSubstr("\"text_bytes\": \"000102"));
  EXPECT_EQ(session_from_json(json).session.compute.text, session.compute.text);
  session.compute.text = "ok é 🙂";
  EXPECT_THAT(session_to_json(session), HasSubstr("\"text\": \"ok é 🙂\""));
  for (const char* bad : {"\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\x80", "\xF4\x90\x80\x80", "\xE0\x80\xAF"}) {
    session.compute.text = bad;
    EXPECT_EQ(session_from_json(session_to_json(session)).session, session);
  }
}

TEST(SessionJson, MissingFieldsKeepDefaults) {
  EXPECT_EQ(session_from_json("{}").session, Session{});
  const ParsedSession parsed = session_from_json(R"({"version": 1, "view": {"colormap": "magma"}})");
  Session expected;
  expected.view.colormap = ColorMapName::kMagma;
  EXPECT_EQ(parsed.session, expected);
  EXPECT_THAT(parsed.notices, IsEmpty());
  // What is missing of the shape is as trained, not as in some other model.
  const Compute gqa =
      session_from_json(R"({"compute": {"trained": {"n_kv_heads": 2, "n_heads": 4, "d_head": 32}}})").session.compute;
  EXPECT_EQ(gqa.n_heads, 4);
  EXPECT_EQ(gqa.n_kv_heads, 2);
}

TEST(SessionJson, UnknownFieldsAreToldByTheirPath) {
  const ParsedSession parsed =
      session_from_json(R"({"compute": {"hedgehogs": 1, "trained": {"n_wings": 2}}, "view.zoom": 3, "extra": {"deep": 1}})");
  EXPECT_EQ(parsed.session, Session{});
  EXPECT_THAT(parsed.notices, ElementsAre(HasSubstr("compute.hedgehogs"), HasSubstr("compute.trained.n_wings"),
                                          HasSubstr("view.zoom"), HasSubstr("extra")));
}

TEST(SessionJson, NumbersOutOfRangeSnapWithANotice) {
  const ParsedSession parsed =
      session_from_json(R"({"compute": {"n_kv_heads": 3, "window": 0}, "view": {"zoom": 99999, "head": "9.9"}})");
  EXPECT_EQ(parsed.session.compute.n_kv_heads, 2);
  EXPECT_EQ(parsed.session.compute.mask.pattern.window, 1);
  EXPECT_EQ(parsed.session.view.zoom, 16384);
  EXPECT_FALSE(parsed.session.view.head);
  ASSERT_EQ(parsed.notices.size(), 1u);
  for (const char* part : {"window", "zoom", "L9 H9", "kv_heads"})
    EXPECT_THAT(parsed.notices[0], HasSubstr(part));
}

TEST(SessionJson, WrongTypesNameTheField) {
  EXPECT_EQ(failure_of(R"({"compute": {"n_heads": "eight"}})"),
            "The session's field compute.n_heads holds \"eight\"; it takes a whole number.");
  EXPECT_THAT(failure_of(R"({"compute": {"n_heads": 8.5}})"), HasSubstr("compute.n_heads"));
  EXPECT_THAT(failure_of(R"({"compute": {"n_heads": 18446744073709551615}})"), HasSubstr("below 2^63"));
  EXPECT_THAT(failure_of(R"({"compute": {"lab_seed": -1}})"), HasSubstr("compute.lab_seed"));
  EXPECT_THAT(failure_of(R"({"compute": {"text": 5}})"), HasSubstr("compute.text"));
  EXPECT_THAT(failure_of(R"({"compute": {"text_bytes": "abc"}})"), HasSubstr("hexadecimal"));
  EXPECT_THAT(failure_of(R"({"compute": {"text_bytes": "zz"}})"), HasSubstr("hexadecimal"));
  EXPECT_THAT(failure_of(R"({"compute": {"direction": "sideways"}})"), HasSubstr("one of causal, bidirectional"));
  EXPECT_THAT(failure_of(R"({"compute": {"pruned": "0.1"}})"), HasSubstr("compute.pruned"));
  EXPECT_THAT(failure_of(R"({"compute": {"pruned": ["0-1"]}})"), HasSubstr("layer.head"));
  EXPECT_THAT(failure_of(R"({"compute": {"trained": {"n_heads": 0}}})"), HasSubstr("n_heads is 0"));
  EXPECT_THAT(failure_of(R"({"compute": {"trained": {"n_kv_heads": 3}}})"), HasSubstr("must divide"));
  EXPECT_THAT(failure_of(R"({"compute": 7})"), HasSubstr("compute"));
  EXPECT_THAT(failure_of(R"({"view": {"query": -1}})"), HasSubstr("view.query"));
  EXPECT_THAT(failure_of(R"({"view": {"zoom": "big"}})"), HasSubstr("view.zoom"));
  EXPECT_THAT(failure_of(R"({"view": {"zoom": 1e999}})"), HasSubstr("too large"));
}

TEST(SessionJson, NewerVersionsAreRefusedByName) {
  EXPECT_EQ(failure_of(R"({"version": 7})"),
            "The session was written by a newer version of Headroom (session version 7; this one reads up to 1).");
  EXPECT_THAT(failure_of(R"({"version": "1"})"), HasSubstr("version"));
  EXPECT_THAT(failure_of(R"({"version": 0})"), HasSubstr("version"));
  EXPECT_THAT(failure_of(R"({"version": -3})"), HasSubstr("version"));
}

TEST(SessionJson, WhatIsNoSessionGetsOneSentence) {
  EXPECT_THAT(failure_of(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(failure_of("{\"compute\": "), HasSubstr("byte"));
  EXPECT_THAT(failure_of("[]"), HasSubstr("object"));
  EXPECT_THAT(failure_of("\xFF\xFE"), HasSubstr("not valid JSON"));
  EXPECT_THAT(failure_of(R"({"view": {}, "view": {}})"), HasSubstr("twice"));
  EXPECT_THAT(failure_of(std::string(100000, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(failure_of("{\"compute\": {\"text\": \"a" + std::string(1, '\0') + "\"}}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(failure_of(std::string(40u << 20, ' ')), HasSubstr("bytes long"));
}

/// Any damage to a good file gives a session or one Error, never anything else.
TEST(SessionJson, DamagedFilesNeverCrash) {
  testing::Random random(5);
  const std::string good = session_to_json(Session{});
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = good;
    for (std::int64_t n = random.in(1, 4); n > 0; --n) {
      const auto at = static_cast<std::size_t>(random.in(0, std::ssize(damaged) - 1));
      if (random.one_in(3)) {
        damaged.erase(at, static_cast<std::size_t>(random.in(1, 30)));
      } else {
        damaged[at] = static_cast<char>(random.in(0, 255));
      }
      if (damaged.empty()) break;
    }
    try {
      testing::expect_valid(session_from_json(damaged).session);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(SessionJson, FilesAreSavedAndLoaded) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "headroom_session_json";
  std::filesystem::create_directories(folder);
  const std::filesystem::path path = folder / "a.headroom.json";
  Session session;
  session.compute.pruned = {{1, 2}};
  save_session(session, path);
  EXPECT_EQ(load_session(path).session, session);
  write_file_atomically(path, R"({"version": 2})");
  try {
    load_session(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("a.headroom.json"));
    EXPECT_THAT(error.what(), HasSubstr("newer version"));
  }
  EXPECT_THROW(load_session(folder / "missing.headroom.json"), Error);
  EXPECT_THROW(load_session(folder), Error);
  EXPECT_THROW(save_session(session, folder / "no" / "such" / "folder.json"), Error);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace headroom
