// The command line as a person meets it: exit statuses, one sentence on standard error, nothing half-written.

#include <nlohmann/json.hpp>

#include "core/formats/safetensors.h"
#include "tests/app/run_program.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::size_t count_lines(const std::string& text) { return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')); }

/// Failed with this status and exactly one sentence, which names every one of `words`.
void expect_failure(const Finished& run, int status, const std::vector<std::string>& words) {
  EXPECT_EQ(run.status, status) << run.err;
  EXPECT_THAT(run.err, StartsWith("headroom: "));
  EXPECT_EQ(count_lines(run.err), 1u) << run.err;
  for (const auto& word : words)
    EXPECT_THAT(run.err, HasSubstr(word));
}

TEST(Commands, HelpAndVersionAnswerOnStandardOutput) {
  const Finished version = run_program({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.out, StartsWith("headroom " HEADROOM_VERSION));
  for (const char* command : {"export", "capture", "inspect", "session", "doctor", "bench"}) {
    const Finished help = run_program({command, "--help"});
    EXPECT_EQ(help.status, 0) << command;
    EXPECT_THAT(help.err, IsEmpty()) << command;
    EXPECT_THAT(help.out, HasSubstr("headroom")) << command;
    if (std::string(command) != "session") {
      EXPECT_THAT(help.out, HasSubstr("Example")) << command;
    }
  }
}

TEST(Commands, WrongUseEndsWithTwo) {
  expect_failure(run_program({"--no-such-flag"}), 2, {"--no-such-flag"});
  expect_failure(run_program({"no-such-thing"}), 2, {"no-such-thing"});
  expect_failure(run_program({"export", "--view", "sideways", "--out", "x.png"}), 2, {"sideways"});
  expect_failure(run_program({"export", "--view", "heads"}), 2, {"--out"});
  expect_failure(run_program({"export", "--size", "big", "--out", "x.png"}), 2, {"big", "WIDTHxHEIGHT"});
  expect_failure(run_program({"capture", "--kv-heads", "3", "--out", "x.safetensors"}), 2, {"--kv-heads 3"});
  expect_failure(run_program({"capture", "--heads", "5", "--out", "x.safetensors"}), 2, {"--heads 5", "128"});
  expect_failure(run_program({"capture", "--heads", "-1", "--out", "x.safetensors"}), 2, {"-1"});
  expect_failure(run_program({"capture", "--prune", "9.9", "--out", "x.safetensors"}), 2, {"9.9", "layers 0 to 3"});
  expect_failure(run_program({"capture", "--prune", "a", "--out", "x.safetensors"}), 2, {"LAYER.HEAD"});
  expect_failure(run_program({"capture", "--mask", "sideways", "--out", "x.safetensors"}), 2, {"sideways", "causal"});
  expect_failure(run_program({"capture", "--mask", "causal,windows:4", "--out", "x.safetensors"}), 2, {"windows", "local_window"});
  expect_failure(run_program({"capture", "--backend", "magic", "--out", "x.safetensors"}), 2, {"magic"});
  expect_failure(run_program({"capture", "--set", "view.colour=red", "--out", "x.safetensors"}), 1,
                 {"view.colour", "view.colormap"});
}

TEST(Commands, WithoutADisplayTheWindowSaysSo) { expect_failure(run_program({}), 1, {"display"}); }

TEST(Commands, UnwritablePathsFailInOneSentenceAndLeaveNothing) {
  const TemporaryFolder folder;
  expect_failure(run_program({"export", "--out", (folder / "no/such/folder/x.png").string()}), 1, {"no/such/folder"});
  expect_failure(run_program({"export", "--out", (folder / "x.jpeg").string()}), 1, {".png", ".svg", ".pdf"});
  expect_failure(run_program({"export", "--size", "1x1", "--out", (folder / "x.png").string()}), 1, {});
  expect_failure(run_program({"export", "--size", "99999x99999", "--out", (folder / "x.png").string()}), 1, {});
  expect_failure(run_program({"capture", "--out", folder.path().string()}), 1, {folder.path().string()});
  expect_failure(run_program({"session", "new", (folder / "none/x.json").string()}), 1, {"none"});
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Commands, AClosedStandardOutputIsAFailure) {
  const Finished run = run_program({"session", "new", "/dev/full"});
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.err, HasSubstr("/dev/full"));
}

TEST(Commands, CaptureEqualsTheGoldenFile) {
  const TemporaryFolder folder;
  const auto out = folder / "cat.safetensors";
  const Finished run = run_program({"capture", "--model", "grammar-base", "--text", "The cat that sat on the mat was fluffy",
                                    "--probs", "--json", "--out", out.string()});
  ASSERT_EQ(run.status, 0) << run.err;
  const SafetensorsFile captured(out), golden(HEADROOM_SOURCE_DIR "/tests/golden/bundled/grammar-base.safetensors");

  EXPECT_EQ(captured.read_integers(*captured.find("input_ids")), golden.read_integers(*golden.find("0.input_ids")));
  const Tensor logits = captured.read_float(*captured.find("logits")),
               expected_logits = golden.read_float(*golden.find("0.logits"));
  ASSERT_EQ(logits.shape(), expected_logits.shape());
  for (std::int64_t i = 0; i < logits.size(); ++i)
    ASSERT_NEAR(logits.data()[i], expected_logits.data()[i], 1e-3f) << i;
  const Tensor expected = golden.read_float(*golden.find("0.probs"));  // [4, 8, 10, 10]
  for (std::int64_t layer = 0; layer < 4; ++layer) {
    const Tensor probs = captured.read_float(*captured.find("attn.00" + std::to_string(layer)));
    ASSERT_EQ(probs.shape(), (std::vector<std::int64_t>{8, 10, 10}));
    for (std::int64_t i = 0; i < probs.size(); ++i)
      ASSERT_NEAR(probs.data()[i], expected.data()[layer * probs.size() + i], 1e-4f) << layer << " " << i;
  }

  // The probabilities follow from q, k and logsumexp as the help says.
  const Tensor q = captured.read_float(*captured.find("q.003")), k = captured.read_float(*captured.find("k.003"));
  const Tensor lse = captured.read_float(*captured.find("logsumexp.003")), probs = captured.read_float(*captured.find("attn.003"));
  const std::int64_t n = 10, d = 16;
  ASSERT_EQ(q.shape(), (std::vector<std::int64_t>{n, 8, d}));
  for (std::int64_t h = 0; h < 8; ++h) {
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j <= i; ++j) {
        double score = 0;
        for (std::int64_t c = 0; c < d; ++c)
          score += double{q.data()[(i * 8 + h) * d + c]} * k.data()[(j * 8 + h) * d + c];
        ASSERT_NEAR(std::exp(score / 4 - lse.data()[h * n + i]), probs.data()[(h * n + i) * n + j], 1e-5);
      }
    }
  }
  const auto summary = nlohmann::json::parse(run.out);
  EXPECT_EQ(summary["n_tokens"], 10);
  EXPECT_EQ(summary["tensors"]["attn.003"], nlohmann::json({8, 10, 10}));
  EXPECT_EQ(summary["entropy_nats"].size(), 4u);
  EXPECT_EQ(summary["top_predictions"].size(), 5u);
  EXPECT_GT(summary["loss_nats"], 0.0);
}

TEST(Commands, CaptureFollowsTheShapeOptions) {
  const TemporaryFolder folder;
  const auto out = folder / "x.safetensors";
  ASSERT_EQ(run_program({"capture", "--kv-heads", "2", "--prune", "0.3,2.1", "--mask", "causal,local_window:4", "--text",
                         "the dog is loud", "--probs", "--layers", "0-1", "--out", out.string()})
                .status,
            0);
  const SafetensorsFile file(out);
  EXPECT_EQ(file.find("q.000")->shape, (std::vector<std::uint64_t>{5, 7, 16}));
  EXPECT_EQ(file.find("q.001")->shape, (std::vector<std::uint64_t>{5, 8, 16}));
  EXPECT_EQ(file.find("q.002"), nullptr);
  EXPECT_EQ(file.find("k.000")->shape, (std::vector<std::uint64_t>{5, 2, 16}));
  EXPECT_EQ(file.metadata().at("heads.000"), "[0,1,2,4,5,6,7]");
  EXPECT_EQ(file.metadata().at("window"), "4");
  const Tensor probs = file.read_float(*file.find("attn.000"));
  EXPECT_EQ(probs.shape(), (std::vector<std::int64_t>{7, 5, 5}));
  EXPECT_EQ(probs.data()[4 * 5 + 0], 0) << "outside the window";
  expect_failure(run_program({"capture", "--layers", "7", "--out", out.string()}), 1, {"no layer 7", "0 to 3"});
  expect_failure(run_program({"capture", "--layers", "3-1", "--out", out.string()}), 2, {"--layers 3-1"});
  expect_failure(run_program({"capture", "--dtype", "f8", "--out", out.string()}), 2, {"--dtype"});
}

TEST(Commands, ACaptureIsOpenedDrawnAndWrittenAgain) {
  const TemporaryFolder folder;
  const std::string golden = HEADROOM_SOURCE_DIR "/tests/golden/captures/batched.safetensors";
  const auto out = folder / "x.safetensors";
  ASSERT_EQ(run_program({"capture", "--capture", golden, "--entry", "1", "--out", out.string()}).status, 0);
  const SafetensorsFile file(out);
  EXPECT_EQ(file.find("attn.001")->shape, (std::vector<std::uint64_t>{3, 5, 5}));
  EXPECT_EQ(file.find("q.000"), nullptr);
  for (const char* view : {"heads", "head", "token", "kv", "timing"}) {
    const Finished run = run_program({"export", "--model", golden, "--view", view, "--out", (folder / "x.png").string()});
    EXPECT_EQ(run.status, 0) << view << run.err;
  }
  expect_failure(run_program({"capture", "--capture", golden, "--text", "a", "--out", out.string()}), 2, {"computed elsewhere"});
  expect_failure(run_program({"capture", "--capture", golden, "--entry", "2", "--out", out.string()}), 1, {"2 texts", "no text 2"});
  expect_failure(run_program({"capture", "--capture", golden, "--model", "grammar-base", "--out", out.string()}), 2, {"--capture"});
}

TEST(Commands, EveryViewAndFormatIsWrittenTheSameTwice) {
  const TemporaryFolder folder;
  const std::map<std::string, std::string> magic{{".png", "\x89PNG"}, {".svg", "<?xml"}, {".pdf", "%PDF"}};
  for (const char* view : {"heads", "head", "token", "kv", "timing"}) {
    for (const auto& [ending, begin] : magic) {
      const auto once = folder / (std::string(view) + "-1" + ending), twice = folder / (std::string(view) + "-2" + ending);
      for (const auto& out : {once, twice}) {
        const Finished run = run_program({"export", "--view", view, "--size", "900x600", "--out", out.string()});
        ASSERT_EQ(run.status, 0) << run.err;
      }
      EXPECT_THAT(file_bytes(once), StartsWith(begin)) << view;
      EXPECT_EQ(file_bytes(once), file_bytes(twice)) << view << ending;
    }
  }
}

TEST(Commands, InspectTellsSoundFromBroken) {
  const TemporaryFolder folder;
  const std::string models = HEADROOM_SOURCE_DIR "/assets/models/";
  const Finished sound = run_program({"inspect", models + "grammar-gqa", "--json"});
  EXPECT_EQ(sound.status, 0) << sound.err;
  EXPECT_TRUE(nlohmann::json::parse(sound.out)["is_sound"]);

  const std::string weights = file_bytes(models + "grammar-gqa/model.safetensors");
  write_bytes(folder / "short.safetensors", weights.substr(0, weights.size() - 1));
  expect_failure(run_program({"inspect", (folder / "short.safetensors").string()}), 1, {"short.safetensors"});
  expect_failure(run_program({"inspect", (folder / "nothing").string()}), 1, {"nothing"});
  write_bytes(folder / "new.headroom.json", "{\"version\": 99}");
  expect_failure(run_program({"inspect", (folder / "new.headroom.json").string()}), 1, {"newer"});
}

TEST(Commands, SessionsAreMadeShownAndChanged) {
  const TemporaryFolder folder;
  const std::string file = (folder / "s.headroom.json").string();
  ASSERT_EQ(run_program({"session", "new", file, "--text", "the dog is loud", "--model", "grammar-gqa"}).status, 0);
  ASSERT_EQ(run_program({"session", "set", file, "view.colormap", "magma"}).status, 0);
  const Finished shown = run_program({"session", "show", file});
  EXPECT_EQ(shown.status, 0);
  EXPECT_EQ(shown.out, file_bytes(file));
  EXPECT_THAT(shown.out, HasSubstr("magma"));
  EXPECT_THAT(shown.out, HasSubstr("grammar-gqa"));
  const std::string before = file_bytes(file);
  expect_failure(run_program({"session", "set", file, "no.key", "1"}), 1, {"no.key"});
  expect_failure(run_program({"session", "set", file, "view.colormap", "rainbow"}), 1, {"rainbow", "viridis"});
  EXPECT_EQ(file_bytes(file), before);
}

TEST(Commands, OddTextsAreComputed) {
  const TemporaryFolder folder;
  const auto out = (folder / "x.safetensors").string();
  std::string many_words, one_word(1 << 20, 'x');
  for (int i = 0; i < 100000; ++i)
    many_words += "cat ";
  const std::vector<std::string> texts{"", "cat", "\xff\xfe broken", "\xF0\x9F\x98\x80 \xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D",
                                       "a\tb\x01"
                                       "c"};
  for (const std::string& text : texts) {
    const Finished run = run_program({"capture", "--text", text, "--out", out});
    EXPECT_EQ(run.status, 0) << run.err;
  }
  for (const std::string& text : {many_words, one_word}) {
    write_bytes(folder / "t.txt", text);
    const Finished run = run_program({"capture", "--text-file", (folder / "t.txt").string(), "--max-tokens", "256", "--out", out});
    EXPECT_EQ(run.status, 0) << run.err;
    if (text == many_words) {
      EXPECT_THAT(run.err, HasSubstr("100,001"));
    }
  }
}

TEST(Commands, DoctorNamesWhatIsThere) {
  const Finished run = run_program({"doctor", "--json"});
  ASSERT_EQ(run.status, 0) << run.err;
  const auto report = nlohmann::json::parse(run.out);
  std::set<std::string> seen;
  for (const auto& finding : report["findings"])
    seen.insert(finding["what"]);
  for (const char* what : {"SIMD", "threads", "assets", "bundled models", "display"})
    EXPECT_TRUE(seen.contains(what)) << what;
}

TEST(Commands, AssetsThatAreNotThereAreNamed) {
  expect_failure(run_program({"doctor"}, {{"HEADROOM_ASSETS", "/nonexistent"}}), 1, {"/nonexistent"});
}

}  // namespace
}  // namespace headroom
