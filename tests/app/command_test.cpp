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
  const auto expect_near = [&](const char* name, const char* golden_name, float tolerance) {
    const Tensor ours = captured.read_float(*captured.find(name)), theirs = golden.read_float(*golden.find(golden_name));
    ASSERT_EQ(ours.shape(), theirs.shape()) << name;
    for (std::int64_t i = 0; i < ours.size(); ++i)
      ASSERT_NEAR(ours.data()[i], theirs.data()[i], tolerance) << name << " at " << i;
  };
  expect_near("logits", "0.logits", 1e-3f);
  expect_near("probs", "0.probs", 1e-4f);

  // The probabilities follow from q, k and logsumexp as the help says.
  const Tensor q = captured.read_float(*captured.find("layers.3.q")), k = captured.read_float(*captured.find("layers.3.k"));
  const Tensor lse = captured.read_float(*captured.find("layers.3.logsumexp")),
               probs = captured.read_float(*captured.find("probs"));
  const std::int64_t n = 10, d = 16;
  ASSERT_EQ(q.shape(), (std::vector<std::int64_t>{8, n, d}));
  for (std::int64_t h = 0; h < 8; ++h) {
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j <= i; ++j) {
        double score = 0;
        for (std::int64_t c = 0; c < d; ++c)
          score += double{q.data()[(h * n + i) * d + c]} * k.data()[(h * n + j) * d + c];
        ASSERT_NEAR(std::exp(score / 4 - lse.data()[h * n + i]), probs.data()[((3 * 8 + h) * n + i) * n + j], 1e-5);
      }
    }
  }
  const auto summary = nlohmann::json::parse(run.out);
  EXPECT_EQ(summary["n_tokens"], 10);
  EXPECT_EQ(summary["tensors"]["probs"], nlohmann::json({4, 8, 10, 10}));
  EXPECT_EQ(summary["entropy_nats"].size(), 4u);
  EXPECT_EQ(summary["top_predictions"].size(), 5u);
  EXPECT_GT(summary["loss_nats"], 0.0);
}

TEST(Commands, CaptureFollowsTheShapeOptions) {
  const TemporaryFolder folder;
  const auto out = folder / "x.safetensors";
  ASSERT_EQ(run_program({"capture", "--kv-heads", "2", "--prune", "0.3,2.1", "--mask", "causal,local_window:4", "--text",
                         "the dog is loud", "--probs", "--out", out.string()})
                .status,
            0);
  const SafetensorsFile file(out);
  EXPECT_EQ(file.find("layers.0.q")->shape, (std::vector<std::uint64_t>{7, 5, 16}));
  EXPECT_EQ(file.find("layers.1.q")->shape, (std::vector<std::uint64_t>{8, 5, 16}));
  EXPECT_EQ(file.find("layers.0.k")->shape, (std::vector<std::uint64_t>{2, 5, 16}));
  EXPECT_EQ(file.metadata().at("layers.0.heads"), "[0,1,2,4,5,6,7]");
  const Tensor probs = file.read_float(*file.find("probs"));
  for (std::int64_t c = 0; c < 25; ++c)
    EXPECT_EQ(probs.data()[3 * 25 + c], 0) << "head 3 of layer 0 was pruned";
  EXPECT_EQ(probs.data()[4 * 5 + 0], 0) << "outside the window";
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
