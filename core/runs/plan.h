#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/corpus/corpus.h"
#include "core/model/params.h"
#include "core/model/surgery.h"

namespace headroom {

enum class MlpUse { kOn, kOff };
/// Do the words' vectors also give the logits, or has the output a matrix of its own? Of the causal kinds.
enum class OutputUse { kTied, kSeparate };

/// The form of a model to train. The rest of its ModelConfig follows from it: model_config.
struct TrainForm {
  ModelKind kind = ModelKind::kCausal;
  PositionKind positions = PositionKind::kRotary;
  std::int64_t n_layers = 2;  ///< of an encoder-decoder: of each stack
  std::int64_t d_model = 32;
  std::int64_t n_heads = 4;
  std::int64_t n_kv_heads = 4;
  MlpUse mlp = MlpUse::kOn;
  OutputUse output = OutputUse::kTied;
  bool operator==(const TrainForm&) const = default;
};

/// Grammar; random letters said again and again (induction laboratory); a text file; the grammar's English and its translation.
enum class DataKind { kGrammar, kLetters, kText, kTranslation };

/// Rows of random words said again and again among the grammar's: few words and a large share of the rows first, all words and a smaller share
/// from `to` on. So induction heads form inside a language model.
struct TrainRepeats {
  double first_share = 0, last_share = 0;  ///< of the rows; both 0: none
  std::int64_t first_words = 26;
  double from = 0.25, to = 0.5;  ///< shares of the run between which both change
  bool operator==(const TrainRepeats&) const = default;
};

struct TrainData {
  DataKind kind = DataKind::kGrammar;
  std::string path;                              ///< of kText: the .txt file
  std::int64_t vocabulary = 512;                 ///< of kText: tokens that a tokenizer learns from it
  std::int64_t min_period = 6, max_period = 22;  ///< of kLetters: letters of the repeated segment
  std::optional<double> stories, lists, quotes;  ///< of kGrammar: weights of the kinds of documents; unset: as its files have them
  std::vector<RuleWeight> weights;               ///< of kGrammar: any other weights
  TrainRepeats repeats;                          ///< of kGrammar; periods as above
  double unknown_share = 0.02;                   ///< of the inputs that are replaced by <unk>
  double hidden_share = 0.35;                    ///< of a masked model: of the tokens that it is asked for
  bool operator==(const TrainData&) const = default;
};

/// Fresh parameters; a model's folder; the run that is there (at a kept state): the last two may be changed first, and then heal.
enum class StartFrom { kScratch, kModel, kRun };

struct TrainStart {
  StartFrom from = StartFrom::kScratch;
  std::string model;               ///< of kModel: a bundled model's name or a folder's path
  std::optional<std::int64_t> at;  ///< of kRun: tokens of the kept state; unset: the newest
  std::vector<HeadRef> pruned;     ///< heads that are switched off and stay so; ascending, no duplicates
  // h and kv_heads after surgery are those of the form: the model is sliced and pooled to them.
  bool operator==(const TrainStart&) const = default;
};

/// Learning from another model's probabilities beside the data.
struct TrainTeacher {
  std::string model;       ///< a bundled model's name or a folder's path; empty: no teacher
  double weight = 0.9;     ///< of the teacher's part of the loss, in [0, 1]
  double temperature = 2;  ///< above 0
  bool operator==(const TrainTeacher&) const = default;
};

/// Everything that decides what a training run computes: at one number of threads, equal plans end in the same bits. What `headroom train --config`
/// reads.
struct TrainPlan {
  std::string recipe = "agreement";  ///< which recipe it began as; "" for none
  TrainForm form;
  TrainData data;
  TrainStart start;
  TrainTeacher teacher;
  std::int64_t tokens = 1'500'000;  ///< to train on; whole steps, so the last may go a little beyond
  std::int64_t row_length = 48;     ///< tokens of a row; of a translation its rows' own
  std::int64_t rows_per_step = 16;  ///< of each pass
  std::int64_t accumulation = 1;    ///< passes whose gradients make one step
  double learning_rate = 1e-2;      ///< at its highest
  double final_share = 0.02;        ///< of the learning rate that is left at the end of the cosine
  std::int64_t warmup_steps = 50;   ///< linear from 0
  double weight_decay = 0.01;
  double beta2 = 0.98;
  double clip_norm = 1;    ///< 0: gradients are never clipped
  std::uint64_t seed = 0;  ///< of the parameters and of the rows
  bool operator==(const TrainPlan&) const = default;
};

/// Tokens of one step; of a translation about, its rows being as long as their sentences.
std::int64_t tokens_per_step(const TrainPlan& plan);
/// Steps that the plan takes; of a translation about.
std::int64_t n_steps(const TrainPlan& plan);
/// The learning rate of step `step` (from 0) after `tokens` tokens: rising over warmup_steps, along a half cosine from the plan's first token
/// to final_share at its last.
double learning_rate_at(const TrainPlan& plan, std::int64_t step, std::int64_t tokens);

struct RecipeInfo {
  std::string name;      ///< "agreement": stable, used in JSON and on the command line
  std::string title;     ///< "Agreement across a distractor"
  std::string sentence;  ///< what there is to see, in one sentence
  TrainPlan plan;
};
/// All recipes, in the order in which they are shown; the last ones ("bundled-…") made the models that come with the program.
const std::vector<RecipeInfo>& recipes();
/// Errors  Error naming the nearest one.
const RecipeInfo& find_recipe(std::string_view name);

/// The plan with every impossible value brought to the nearest possible one.
struct SettledPlan {
  TrainPlan plan;
  std::vector<std::string> reasons;  ///< a sentence for each value that was changed
};
SettledPlan settle(const TrainPlan& plan);

/// The configuration of such a model. `max_positions` is how many tokens it can read.
/// Errors  ShapeError when the form is impossible (settle gives a possible one).
ModelConfig model_config(const TrainForm& form, std::int64_t vocab_size, std::int64_t max_positions);

struct PlanEstimate {
  std::int64_t n_parameters = 0;  ///< computed
  double flops_per_token = 0;     ///< computed: of one training step, forward and backward
  std::int64_t memory_bytes = 0;  ///< estimated: parameters, gradients, moments, activations
  double seconds = 0;             ///< estimated: flops of the whole plan / (gflops * 1e9)
  /// One sentence when memory_bytes is more than what is free; else empty.
  std::string problem;
};
/// What is known of the machine before anything runs.
struct PlanMachine {
  int n_threads = 2;
  double gflops = 60;             ///< of all threads together: measured in a run before, or this guess
  std::int64_t free_bytes = 0;    ///< of memory; 0: not known
  std::int64_t vocab_size = 384;  ///< of the corpus, where it is known
};
PlanEstimate estimate_plan(const TrainPlan& plan, const PlanMachine& machine);

/// JSON text, two-space indent, every field in a fixed order.
std::string plan_to_json(const TrainPlan& plan);
struct ParsedPlan {
  TrainPlan plan;                    ///< settled
  std::vector<std::string> notices;  ///< unknown fields, values brought into range
};
/// Missing fields keep the defaults of the recipe that is named, or of TrainPlan.
/// Errors  Error, one sentence with the field and what would be right.
ParsedPlan plan_from_json(std::string_view json);
/// One value as a person writes it: "form.n_kv_heads", "2". The plan is not settled. Errors  Error naming the nearest key, or what it takes.
TrainPlan set_plan_value(const TrainPlan& plan, std::string_view key, std::string_view value);
ParsedPlan load_plan(const std::filesystem::path& path);

// Names as in JSON: "causal", "masked", "encoder_decoder"; "rotary", "learned"; "grammar", "letters", "text", "translation".
std::string_view model_kind_name(ModelKind kind);
std::string_view position_kind_name(PositionKind kind);
std::string_view data_kind_name(DataKind kind);

}  // namespace headroom
