#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/formats/file.h"
#include "core/formats/tokenizer.h"
#include "core/formats/utf8.h"
#include "core/runs/experiment_bench.h"
#include "core/tensor/error.h"
#include "core/training/layout.h"

namespace headroom {
namespace {

constexpr double kHealingRate = 1e-3;  ///< a changed model goes on gently

/// Head of the table's first column, and what the picture's axis shows.
void name_x(ExperimentBench& bench, const std::string& column, const std::string& axis) {
  bench.result().columns.front() = column;
  bench.result().x_name = axis;
}

void heads(ExperimentBench& bench) {
  constexpr std::int64_t kHeads[] = {1, 2, 4, 8, 16};
  const auto name_of_h = [](std::int64_t h) { return PlaceName{"2 layers, d_model 64", "h = " + std::to_string(h)}; };
  name_x(bench, "h", "h, at d_model 64");
  bench.expect(std::ssize(kHeads) * bench.n_seeds() * bench.tokens());
  for (int i = 0; i < bench.n_seeds(); ++i) {
    for (const std::int64_t h : kHeads) {
      const auto trainer =
          bench.begin(bench.plan_for({.n_layers = 2, .d_model = 64, .n_heads = h, .n_kv_heads = h}, bench.tokens(), bench.seed(i)));
      bench.train(*trainer);
      bench.add({name_of_h(h), static_cast<double>(h)}, bench.measure(*trainer));
    }
  }
  PlaceName best = name_of_h(kHeads[0]), worst = best;
  for (const std::int64_t h : kHeads) {
    if (bench.mean_loss(name_of_h(h)) < bench.mean_loss(best)) best = name_of_h(h);
    if (bench.mean_loss(name_of_h(h)) > bench.mean_loss(worst)) worst = name_of_h(h);
  }
  bench.finish("Under this budget " + best.label + " is lowest (" + digits_text(bench.mean_loss(best), 3) + ") and " + worst.label +
               " highest (" + digits_text(bench.mean_loss(worst), 3) + "): " + bench.difference(best, worst) +
               ". The number of parameters is the same for all.");
}

/// Layers and widths of about the parameters that 2 layers of d_model 64 have.
class DepthForms {
 public:
  explicit DepthForms(std::int64_t vocab_size) : vocab_size_(vocab_size), wanted_(parameters({.n_layers = 2, .d_model = 64})) {}

  std::int64_t wanted() const { return wanted_; }
  TrainForm form(std::int64_t n_layers) const {
    TrainForm best;
    std::int64_t least = -1;
    for (std::int64_t d_model = 16; d_model <= 128; d_model += 8) {
      const TrainForm form{.n_layers = n_layers, .d_model = d_model};
      const std::int64_t distance = std::abs(parameters(form) - wanted_);
      if (least >= 0 && distance >= least) continue;
      least = distance;
      best = form;
    }
    return best;
  }

 private:
  std::int64_t parameters(const TrainForm& form) const {
    return ParameterLayout(model_config(form, vocab_size_, 64)).n_parameters();
  }

  std::int64_t vocab_size_, wanted_;
};

void width_depth(ExperimentBench& bench) {
  const DepthForms forms(bench.vocab_size());
  std::vector<TrainForm> compared;
  for (const std::int64_t n_layers : {1, 2, 3, 4, 6})
    compared.push_back(forms.form(n_layers));
  const auto name_of_form = [](const TrainForm& form) {
    return PlaceName{"4 heads a layer", std::to_string(form.n_layers) + " × " + std::to_string(form.d_model)};
  };
  name_x(bench, "layers × d_model", "layers × d_model, about equal parameters");
  bench.expect(std::ssize(compared) * bench.n_seeds() * bench.tokens());
  for (int i = 0; i < bench.n_seeds(); ++i) {
    for (const TrainForm& form : compared) {
      const auto trainer = bench.begin(bench.plan_for(form, bench.tokens(), bench.seed(i)));
      bench.train(*trainer);
      bench.add({name_of_form(form), static_cast<double>(form.n_layers)}, bench.measure(*trainer));
    }
  }
  const PlaceName flat = name_of_form(compared.front());
  PlaceName best = flat, worst = flat;
  for (const TrainForm& form : compared) {
    if (bench.mean_loss(name_of_form(form)) < bench.mean_loss(best)) best = name_of_form(form);
    if (bench.mean_loss(name_of_form(form)) > bench.mean_loss(worst)) worst = name_of_form(form);
  }
  std::string agreement = "One layer agrees across a distractor in " + digits_text(bench.mean_agreement(flat), 2) + " of the cases";
  if (best != flat) agreement += ", " + best.label + " in " + digits_text(bench.mean_agreement(best), 2);
  bench.finish("With about " + std::to_string((forms.wanted() + 500) / 1000) + " thousand parameters, " + best.label +
               " is lowest (" + digits_text(bench.mean_loss(best), 3) + ") and " + worst.label + " highest (" +
               digits_text(bench.mean_loss(worst), 3) + "): " + bench.difference(best, worst) + ". " + agreement + ".");
}

void sharing(ExperimentBench& bench) {
  const std::int64_t heal_tokens = std::max<std::int64_t>(bench.tokens() / 5, 1);
  const auto form_of = [](std::int64_t kv) { return TrainForm{.n_layers = 2, .d_model = 64, .n_heads = 8, .n_kv_heads = kv}; };
  const auto place_of = [](const char* series, std::int64_t kv) {
    const std::string label = kv == 8 ? "MHA 8" : kv == 1 ? "MQA 1" : "GQA " + std::to_string(kv);
    return OutcomePlace{{series, label}, -static_cast<double>(kv)};
  };
  const char *const own = "trained so", *const at_once = "pooled, at once", *const healed = "pooled, healed";
  name_x(bench, "kv_heads", "kv_heads for 8 query heads");
  bench.expect(bench.n_seeds() * (4 * bench.tokens() + 3 * heal_tokens));
  for (int i = 0; i < bench.n_seeds(); ++i) {
    ModelParams whole;
    for (const std::int64_t kv : {8, 4, 2, 1}) {
      const auto trainer = bench.begin(bench.plan_for(form_of(kv), bench.tokens(), bench.seed(i)));
      bench.train(*trainer);
      bench.add(place_of(own, kv), bench.measure(*trainer));
      if (kv == 8) whole = trainer->params();
    }
    for (const std::int64_t kv : {4, 2, 1}) {
      TrainPlan plan = bench.plan_for(form_of(kv), heal_tokens, bench.seed(i));
      plan.learning_rate = kHealingRate;
      const auto trainer = bench.begin_from(whole, plan);
      bench.add(place_of(at_once, kv), bench.measure(*trainer));
      bench.train(*trainer);
      bench.add(place_of(healed, kv), bench.measure(*trainer));
    }
  }
  const PlaceName mha = place_of(own, 8).name, mqa = place_of(own, 1).name, pooled = place_of(at_once, 1).name;
  std::string text = "Trained so, 8 K/V heads reach " + digits_text(bench.mean_loss(mha), 3) + " and 1 reaches " +
                     digits_text(bench.mean_loss(mqa), 3) + ": " + bench.difference(mha, mqa) +
                     ". Pooling the trained model from 8 to 1 takes it to " + digits_text(bench.mean_loss(pooled), 3) +
                     "; a fifth of the training more, to " + digits_text(bench.mean_loss(place_of(healed, 1).name), 3) + ".";
  if (bench.differ(pooled, mha) && bench.mean_loss(pooled) > bench.mean_loss(mha))
    text += " The mean of several heads' keys and values is none of them.";
  bench.finish(std::move(text));
}

/// The least important heads first: what the loss loses without each alone.
std::vector<HeadRef> by_importance(Trainer& trainer, const ExperimentWatch& watch) {
  const HeadReport report = trainer.measure(ProbeSize::kQuick, watch.stop);
  std::vector<Ablation> ablations =
      measure_ablations(trainer.network(), trainer.probes(ProbeSize::kQuick), report, {.stop = watch.stop});
  std::ranges::stable_sort(ablations, {}, &Ablation::loss_change);
  std::vector<HeadRef> heads;
  for (const Ablation& ablation : ablations)
    heads.push_back(ablation.head);
  return heads;
}

/// What goes with a head of d_k 8 in a layer of d_model 64: rows of W_Q, W_K and W_V with their biases, columns of W_O.
constexpr std::int64_t kParametersOfAHead = 4 * 8 * 64 + 3 * 8;

/// The big model without its least important heads, at once and healed; the small ones are trained beside it.
void prune_small(ExperimentBench& bench) {
  const std::int64_t heal_tokens = std::max<std::int64_t>(bench.tokens() / 5, 1);
  const std::int64_t big_tokens = std::max<std::int64_t>(bench.tokens() - heal_tokens, 1);
  const TrainForm big{.n_layers = 2, .d_model = 64, .n_heads = 8, .n_kv_heads = 8};
  const auto place_of = [](const char* series, std::int64_t n) {
    return OutcomePlace{{series, std::to_string(n) + " heads"}, static_cast<double>(n)};
  };
  const char *const at_once = "big, pruned at once", *const healed = "big, pruned and healed",
                    *const small = "small from the start";
  name_x(bench, "heads", "heads left of 16, or in the small model");
  bench.expect(bench.n_seeds() * (big_tokens + 3 * heal_tokens + 3 * bench.tokens()));
  for (int i = 0; i < bench.n_seeds(); ++i) {
    const auto trained = bench.begin(bench.plan_for(big, big_tokens, bench.seed(i)));
    bench.train(*trained);
    bench.add(place_of("big, before pruning", 16), bench.measure(*trained));
    const std::vector<HeadRef> order = by_importance(*trained, bench.watch());
    const ModelParams params = trained->params();
    for (const std::int64_t left : {12, 8, 4}) {
      TrainPlan plan = bench.plan_for(big, heal_tokens, bench.seed(i));
      plan.learning_rate = kHealingRate;
      plan.start.from = StartFrom::kModel;
      plan.start.pruned.assign(order.begin(), order.begin() + (16 - left));
      std::ranges::sort(plan.start.pruned);
      const auto trainer = bench.begin_from(params, plan);
      const std::int64_t n_parameters = trainer->n_parameters() - (16 - left) * kParametersOfAHead;
      for (const char* series : {at_once, healed}) {
        if (series == healed) bench.train(*trainer);
        OutcomePlace place = place_of(series, left);
        place.n_parameters = n_parameters;
        bench.add(place, bench.measure(*trainer));
      }
      const TrainForm form{.n_layers = 2, .d_model = 4 * left, .n_heads = left / 2, .n_kv_heads = left / 2};
      const auto own = bench.begin(bench.plan_for(form, bench.tokens(), bench.seed(i)));
      bench.train(*own);
      bench.add(place_of(small, left), bench.measure(*own));
    }
  }
  const PlaceName a = place_of(healed, 8).name, b = place_of(small, 8).name;
  bench.finish("With 8 heads the big model, pruned and healed, reaches " + digits_text(bench.mean_loss(a), 3) +
               ", the one that was small from the start " + digits_text(bench.mean_loss(b), 3) +
               " on the same number of tokens: " + bench.difference(a, b) +
               ". The pruned one keeps its wide MLPs and embedding, so it has more parameters: see the table.");
}

void distil(ExperimentBench& bench) {
  const TrainForm large{.n_layers = 2, .d_model = 96, .n_heads = 12, .n_kv_heads = 12};
  const TrainForm form{.n_layers = 2, .d_model = 48, .n_heads = 6, .n_kv_heads = 6};
  const PlaceName teacher_name{"12 heads a layer, d_model 96", "teacher"};
  const PlaceName alone{"6 heads a layer, d_model 48", "student alone"}, taught{alone.series, "student of the teacher"};
  const Distillation how{.weight = 0.9F, .temperature = 2};
  const std::int64_t teacher_tokens = 2 * bench.tokens();
  name_x(bench, "model", "trained how");
  bench.expect(bench.n_seeds() * (teacher_tokens + 2 * bench.tokens()));
  for (int i = 0; i < bench.n_seeds(); ++i) {
    const auto teacher = bench.begin(bench.plan_for(large, teacher_tokens, bench.seed(i)));
    bench.train(*teacher);
    bench.add({teacher_name, 0}, bench.measure(*teacher));
    const TrainPlan plan = bench.plan_for(form, bench.tokens(), bench.seed(i));
    for (const PlaceName& name : {alone, taught}) {
      const auto student = bench.begin(plan);
      if (name == taught) student->set_teacher(bench.copy_of(*teacher), how);
      bench.train(*student);
      bench.add({name, name == alone ? 1.0 : 2.0}, bench.measure(*student));
    }
  }
  bench.finish(
      "The student of 6 heads a layer reaches " + digits_text(bench.mean_loss(alone), 3) + " alone and " +
      digits_text(bench.mean_loss(taught), 3) + " learning from the teacher's probabilities (weight " + digits_text(how.weight, 1) +
      ", temperature " + digits_text(how.temperature, 0) + ") on the same tokens: " + bench.difference(alone, taught) +
      ". The teacher of 12 heads a layer, trained twice as long, has " + digits_text(bench.mean_loss(teacher_name), 3) + ".");
}

struct Experiment {
  ExperimentInfo info;
  void (*run)(ExperimentBench&);
};

const std::vector<Experiment>& all() {
  static const std::vector<Experiment> experiments = {
      {{"heads", "How many heads at one d_model?",
        "The same d_model cut into 1, 2, 4, 8 and 16 heads: equal parameters, equal data.", 600'000},
       heads},
      {{"width_depth", "Wide or deep?", "1 to 6 layers, each as wide as gives about the same number of parameters.", 600'000},
       width_depth},
      {{"sharing", "MHA, GQA or MQA?",
        "8 query heads with 8, 4, 2 and 1 K/V heads: trained so from the start, and pooled from the trained MHA, at once and "
        "healed.",
        600'000},
       sharing},
      {{"prune_small", "Train big and prune, or train small?",
        "The least important of 16 heads are removed and the rest healed; beside it a model that had as few heads from the start.",
        600'000},
       prune_small},
      {{"distil", "Can 6 heads learn from 12?",
        "A student of half the heads and width learns from a teacher's probabilities; the same student learns alone from the same "
        "tokens.",
        500'000},
       distil},
  };
  return experiments;
}

}  // namespace

const std::vector<ExperimentInfo>& experiments() {
  static const std::vector<ExperimentInfo> infos = [] {
    std::vector<ExperimentInfo> list;
    for (const Experiment& experiment : all())
      list.push_back(experiment.info);
    return list;
  }();
  return infos;
}

const ExperimentInfo& find_experiment(std::string_view id) {
  const std::vector<ExperimentInfo>& infos = experiments();
  const std::u32string wanted = to_utf32(id.substr(0, 64));
  const ExperimentInfo* nearest = nullptr;
  std::size_t least = 0;
  for (const ExperimentInfo& info : infos) {
    if (info.id == id) return info;
    const std::size_t distance = edit_distance(wanted, to_utf32(info.id), 64);
    if (nearest == nullptr || distance < least) {
      nearest = &info;
      least = distance;
    }
  }
  throw Error("there is no experiment " + in_quotes(id, 60) + "; the nearest is \"" + nearest->id + "\"");
}

ExperimentResult run_experiment(const ExperimentPlan& plan, const std::filesystem::path& assets, ThreadPool& pool,
                                const ExperimentWatch& watch) {
  const ExperimentInfo& info = find_experiment(plan.id);
  ExperimentBench bench(plan, assets, pool, watch);
  std::ranges::find(all(), info.id, [](const Experiment& experiment) { return experiment.info.id; })->run(bench);
  return bench.result();
}

}  // namespace headroom
