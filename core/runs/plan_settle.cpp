#include <algorithm>
#include <cmath>
#include <set>

#include "core/model/shape.h"
#include "core/runs/plan.h"
#include "core/runs/plan_limits.h"

namespace headroom {
namespace {

std::string number(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

class Settler {
 public:
  explicit Settler(const TrainPlan& plan) : settled_{plan, {}} {}

  SettledPlan settle() {
    kinds();
    shape();
    data();
    schedule();
    start();
    return std::move(settled_);
  }

 private:
  void say(std::string sentence) { settled_.reasons.push_back(std::move(sentence)); }

  void bring(std::int64_t& value, std::int64_t low, std::int64_t high, const std::string& name) {
    const std::int64_t asked = value;
    value = std::clamp(asked, low, high);
    if (value != asked)
      say(name + " = " + std::to_string(asked) + " is outside " + std::to_string(low) + " to " + std::to_string(high) + "; " +
          std::to_string(value) + " is taken.");
  }
  void bring(double& value, double low, double high, const std::string& name) {
    const double asked = value;
    value = std::isfinite(asked) ? std::clamp(asked, low, high) : low;
    if (!(value == asked)) say(name + " is outside " + number(low) + " to " + number(high) + "; " + number(value) + " is taken.");
  }
  void take(std::int64_t& value, const Snapped& snapped, const char* name) {
    if (!snapped.why.empty()) say(snapped.why + "; " + name + " = " + std::to_string(snapped.value) + " is taken.");
    value = snapped.value;
  }

  void kinds() {
    TrainForm& form = settled_.plan.form;
    TrainData& data = settled_.plan.data;
    if (form.kind == ModelKind::kEncoderDecoder && data.kind != DataKind::kTranslation) {
      say("An encoder-decoder reads one sentence and writes another: its data are translations.");
      data.kind = DataKind::kTranslation;
    }
    if (form.kind != ModelKind::kEncoderDecoder && data.kind == DataKind::kTranslation) {
      say("Translations need an encoder-decoder; the grammar's English is taken.");
      data.kind = DataKind::kGrammar;
    }
    if (form.kind == ModelKind::kMasked && data.kind == DataKind::kLetters) {
      say("The letters laboratory is for a causal model, which looks back at the last saying; the grammar is taken.");
      data.kind = DataKind::kGrammar;
    }
    if (form.kind != ModelKind::kCausal && form.positions != PositionKind::kLearned) {
      say(std::string(form.kind == ModelKind::kMasked ? "BERT" : "BART") +
          "'s architecture has learned positions; they are taken.");
      form.positions = PositionKind::kLearned;
    }
    if (form.kind != ModelKind::kCausal && form.output != OutputUse::kTied) {
      say("Of the causal kinds alone the output may have a matrix of its own; it is tied.");
      form.output = OutputUse::kTied;
    }
  }

  void shape() {
    TrainForm& form = settled_.plan.form;
    bring(form.n_layers, 1, kMaxTrainLayers, "layers");
    std::vector<std::int64_t> widths = valid_lab_d_models();
    std::erase_if(widths, [](std::int64_t d) { return d > kMaxTrainDModel; });
    take(form.d_model,
         snap(form.d_model, widths,
              "d_model = " + std::to_string(form.d_model) + " is not offered; it is a multiple of 8 up to 256, of 32 up to " +
                  std::to_string(kMaxTrainDModel)),
         "d_model");
    const bool had_own_kv = form.n_kv_heads == form.n_heads;
    take(form.n_heads, snap_lab_heads(form.d_model, form.n_heads), "h");
    if (had_own_kv) form.n_kv_heads = form.n_heads;
    if (form.positions == PositionKind::kLearned && form.n_kv_heads != form.n_heads) {
      const char* family = form.kind == ModelKind::kCausal ? "GPT-2" : form.kind == ModelKind::kMasked ? "BERT" : "BART";
      say(std::string(family) + "'s architecture has one K/V head for each query head; kv_heads = " + std::to_string(form.n_heads) +
          " is taken.");
      form.n_kv_heads = form.n_heads;
    }
    take(form.n_kv_heads, snap_lab_kv_heads(form.n_heads, form.n_kv_heads), "kv_heads");
  }

  void data() {
    TrainData& data = settled_.plan.data;
    bring(data.vocabulary, kLeastTrainVocabulary, kMaxTrainVocabulary, "the vocabulary");
    bring(data.min_period, 2, 26, "the shortest segment of letters");
    bring(data.max_period, data.min_period, 26, "the longest segment of letters");
    bring(data.unknown_share, 0, 0.5, "the share of unknown words");
    bring(data.hidden_share, 0.01, 0.9, "the share of hidden words");
    TrainRepeats& repeats = data.repeats;
    bring(repeats.first_share, 0, 1, "the share of repeated rows at first");
    bring(repeats.last_share, 0, 1, "the share of repeated rows at last");
    bring(repeats.first_words, 26, 4096, "the words that are repeated at first");
    bring(repeats.from, 0, 1, "the begin of the change of repeated rows");
    bring(repeats.to, repeats.from, 1, "the end of the change of repeated rows");
    for (std::optional<double>* weight : {&data.stories, &data.lists, &data.quotes})
      if (*weight) bring(**weight, 0, 1e6, "a weight of the grammar");
    for (RuleWeight& weight : data.weights)
      bring(weight.weight, 0, 1e6, "the weight of " + weight.rule + " " + weight.alternative);
    if (data.stories && data.lists && data.quotes && *data.stories + *data.lists + *data.quotes <= 0) {
      say("With no stories, no lists and no quotes there is no text; the grammar's own weights are taken.");
      data.stories = data.lists = data.quotes = std::nullopt;
    }
  }

  void schedule() {
    TrainPlan& plan = settled_.plan;
    bring(plan.tokens, 1, kMaxTrainTokens, "the number of tokens");
    bring(plan.row_length, kLeastTrainRow, kMaxTrainRow, "the length of a row");
    bring(plan.rows_per_step, 1, kMaxTrainRows, "rows a pass");
    bring(plan.accumulation, 1, kMaxTrainRows, "passes a step");
    bring(plan.learning_rate, 1e-7, 1, "the learning rate");
    bring(plan.final_share, 0, 1, "what is left of the learning rate");
    bring(plan.warmup_steps, 0, 1'000'000, "the number of warm-up steps");
    bring(plan.weight_decay, 0, 10, "the weight decay");
    bring(plan.beta2, 0.5, 0.99999, "beta2");
    bring(plan.clip_norm, 0, 1e6, "the norm that gradients are clipped to");
    bring(plan.teacher.weight, 0, 1, "the teacher's weight");
    bring(plan.teacher.temperature, 0.1, 100, "the teacher's temperature");
  }

  void start() {
    TrainStart& start = settled_.plan.start;
    std::set<HeadRef> heads(start.pruned.begin(), start.pruned.end());
    const TrainForm& form = settled_.plan.form;
    const std::size_t n = heads.size();
    std::erase_if(heads, [&](const HeadRef& head) {
      return head.layer < 0 || head.layer >= form.n_layers || head.head < 0 || head.head >= form.n_heads;
    });
    if (heads.size() < n)
      say(std::to_string(n - heads.size()) + " pruned heads do not exist in a model of " + std::to_string(form.n_layers) +
          " layers of " + std::to_string(form.n_heads) + " heads; they are left out.");
    start.pruned.assign(heads.begin(), heads.end());
    if (start.at && (start.from != StartFrom::kRun || *start.at < 0)) start.at.reset();
    if (start.from != StartFrom::kModel) start.model.clear();
  }

  SettledPlan settled_;
};

}  // namespace

SettledPlan settle(const TrainPlan& plan) { return Settler(plan).settle(); }

}  // namespace headroom
