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

constexpr std::int64_t kVocabulary = 384;  ///< of the grammar, about: where only sizes are compared

std::string heads_text(std::int64_t n) { return "h = " + std::to_string(n); }

/// "0.12 nats less than 8, more than seeds differ (0.03)" as the end of a sentence.
std::string against_seeds(double difference, double spread) {
  return std::abs(difference) > spread ? "more than seeds of one model differ (" + fixed(spread, 3) + ")"
                                       : "no more than seeds of one model differ (" + fixed(spread, 3) + ")";
}

void heads(ExperimentBench& bench) {
  constexpr std::int64_t kHeads[] = {1, 2, 4, 8, 16};
  bench.result().x_name = "h, at d_model 64";
  bench.expect(std::ssize(kHeads) * bench.n_seeds() * bench.tokens());
  for (int i = 0; i < bench.n_seeds(); ++i) {
    for (const std::int64_t h : kHeads) {
      const auto trainer =
          bench.begin(bench.plan_for({.n_layers = 2, .d_model = 64, .n_heads = h, .n_kv_heads = h}, bench.tokens(), bench.seed(i)));
      bench.train(*trainer);
      bench.add({"2 layers, d_model 64", static_cast<double>(h), heads_text(h)}, bench.measure(*trainer));
    }
  }
  std::int64_t best = kHeads[0], worst = kHeads[0];
  const auto loss = [&](std::int64_t h) { return bench.mean_loss("2 layers, d_model 64", heads_text(h)); };
  for (const std::int64_t h : kHeads) {
    if (loss(h) < loss(best)) best = h;
    if (loss(h) > loss(worst)) worst = h;
  }
  bench.finish("Under this budget h = " + std::to_string(best) + " is lowest (" + fixed(loss(best), 3) +
               ") and h = " + std::to_string(worst) + " highest (" + fixed(loss(worst), 3) +
               "): " + fixed(loss(worst) - loss(best), 3) + " nats apart, " +
               against_seeds(loss(worst) - loss(best), bench.spread()) + ". The number of parameters is the same for all.");
}

std::int64_t parameters_of(const TrainForm& form) { return ParameterLayout(model_config(form, kVocabulary, 64)).n_parameters(); }

void width_depth(ExperimentBench& bench) {
  constexpr std::int64_t kDepths[] = {1, 2, 3, 4, 6};
  const std::int64_t wanted = parameters_of({.n_layers = 2, .d_model = 64, .n_heads = 4, .n_kv_heads = 4});
  // The width at which a model of so many layers has the number of parameters nearest to that of 2 layers of 64.
  const auto form_of = [&](std::int64_t n_layers) {
    TrainForm best;
    std::int64_t least = -1;
    for (std::int64_t d_model = 16; d_model <= 128; d_model += 8) {
      const TrainForm form{.n_layers = n_layers, .d_model = d_model, .n_heads = 4, .n_kv_heads = 4};
      const std::int64_t distance = std::abs(parameters_of(form) - wanted);
      if (least < 0 || distance < least) {
        least = distance;
        best = form;
      }
    }
    return best;
  };
  const auto label_of = [&](std::int64_t n_layers) {
    return std::to_string(n_layers) + " × " + std::to_string(form_of(n_layers).d_model);
  };
  bench.result().x_name = "layers × d_model, about equal parameters";
  bench.expect(std::ssize(kDepths) * bench.n_seeds() * bench.tokens());
  for (int i = 0; i < bench.n_seeds(); ++i) {
    for (const std::int64_t n_layers : kDepths) {
      const auto trainer = bench.begin(bench.plan_for(form_of(n_layers), bench.tokens(), bench.seed(i)));
      bench.train(*trainer);
      bench.add({"4 heads a layer", static_cast<double>(n_layers), label_of(n_layers)}, bench.measure(*trainer));
    }
  }
  std::int64_t best = kDepths[0];
  for (const std::int64_t n : kDepths)
    if (bench.mean_loss("4 heads a layer", label_of(n)) < bench.mean_loss("4 heads a layer", label_of(best))) best = n;
  const double flat = bench.mean_agreement("4 heads a layer", label_of(1)),
               deep = bench.mean_agreement("4 heads a layer", label_of(best));
  bench.finish("With about " + std::to_string(wanted / 1000) + " thousand parameters, " + label_of(best) + " is lowest (" +
               fixed(bench.mean_loss("4 heads a layer", label_of(best)), 3) + "). One layer agrees across a distractor in " +
               fixed(flat, 2) + " of the cases, " + label_of(best) + " in " + fixed(deep, 2) + ".");
}

void sharing(ExperimentBench& bench) {
  constexpr std::int64_t kKvHeads[] = {8, 4, 2, 1};
  const std::int64_t heal_tokens = std::max<std::int64_t>(bench.tokens() / 5, 1);
  const TrainForm whole{.n_layers = 2, .d_model = 64, .n_heads = 8, .n_kv_heads = 8};
  const auto label_of = [](std::int64_t kv) {
    return kv == 8 ? std::string("MHA 8") : kv == 1 ? "MQA 1" : "GQA " + std::to_string(kv);
  };
  bench.result().x_name = "kv_heads for 8 query heads";
  bench.expect(bench.n_seeds() * (4 * bench.tokens() + 3 * heal_tokens));
  for (int i = 0; i < bench.n_seeds(); ++i) {
    std::unique_ptr<Trainer> trained;
    for (const std::int64_t kv : kKvHeads) {
      TrainForm form = whole;
      form.n_kv_heads = kv;
      auto trainer = bench.begin(bench.plan_for(form, bench.tokens(), bench.seed(i)));
      bench.train(*trainer);
      bench.add({"trained so", -static_cast<double>(kv), label_of(kv)}, bench.measure(*trainer));
      if (kv == 8) trained = std::move(trainer);
    }
    const ModelParams params = trained->params();
    for (const std::int64_t kv : {std::int64_t{4}, std::int64_t{2}, std::int64_t{1}}) {
      TrainForm form = whole;
      form.n_kv_heads = kv;
      TrainPlan plan = bench.plan_for(form, heal_tokens, bench.seed(i));
      plan.learning_rate = 1e-3;
      const auto trainer = bench.begin_from(params, plan);
      bench.add({"pooled, at once", -static_cast<double>(kv), label_of(kv)}, bench.measure(*trainer));
      bench.train(*trainer);
      bench.add({"pooled, healed", -static_cast<double>(kv), label_of(kv)}, bench.measure(*trainer));
    }
  }
  const double whole_loss = bench.mean_loss("trained so", "MHA 8"), one = bench.mean_loss("trained so", "MQA 1");
  bench.finish("Trained with 1 K/V head the loss is " + fixed(one, 3) + ", with 8 " + fixed(whole_loss, 3) + ": " +
               against_seeds(one - whole_loss, bench.spread()) + ". Pooling a trained model from 8 to 1 raises it to " +
               fixed(bench.mean_loss("pooled, at once", "MQA 1"), 3) + "; a fifth of the training more brings back " +
               fixed(bench.mean_loss("pooled, healed", "MQA 1"), 3) +
               ". Heads that took up different roles do not share keys and values for free.");
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

void prune_small(ExperimentBench& bench) {
  constexpr std::int64_t kLeft[] = {12, 8, 4};
  const std::int64_t heal_tokens = std::max<std::int64_t>(bench.tokens() / 5, 1), big_tokens = bench.tokens() - heal_tokens;
  const auto label_of = [](std::int64_t n) { return std::to_string(n) + " heads"; };
  const TrainForm big{.n_layers = 2, .d_model = 64, .n_heads = 8, .n_kv_heads = 8};
  bench.result().x_name = "heads left of 16, or in the small model";
  bench.expect(bench.n_seeds() * (big_tokens + 3 * heal_tokens + 3 * bench.tokens()));
  // Two matrices of rows and columns, 8 wide, and three biases go with each head.
  const std::int64_t of_a_head = 4 * 8 * 64 + 3 * 8;
  for (int i = 0; i < bench.n_seeds(); ++i) {
    const auto trained = bench.begin(bench.plan_for(big, big_tokens, bench.seed(i)));
    bench.train(*trained);
    bench.add({"big, before pruning", 16, label_of(16)}, bench.measure(*trained));
    const std::vector<HeadRef> order = by_importance(*trained, bench.watch());
    const ModelParams params = trained->params();
    for (const std::int64_t left : kLeft) {
      TrainPlan plan = bench.plan_for(big, heal_tokens, bench.seed(i));
      plan.learning_rate = 1e-3;
      plan.start.from = StartFrom::kModel;
      plan.start.pruned.assign(order.begin(), order.begin() + (16 - left));
      std::ranges::sort(plan.start.pruned);
      const auto trainer = bench.begin_from(params, plan);
      const std::int64_t n_parameters = trainer->n_parameters() - (16 - left) * of_a_head;
      bench.add({"big, pruned at once", static_cast<double>(left), label_of(left), n_parameters}, bench.measure(*trainer));
      bench.train(*trainer);
      bench.add({"big, pruned and healed", static_cast<double>(left), label_of(left), n_parameters}, bench.measure(*trainer));
      const TrainForm small{.n_layers = 2, .d_model = 4 * left, .n_heads = left / 2, .n_kv_heads = left / 2};
      const auto own = bench.begin(bench.plan_for(small, bench.tokens(), bench.seed(i)));
      bench.train(*own);
      bench.add({"small from the start", static_cast<double>(left), label_of(left)}, bench.measure(*own));
    }
  }
  const double healed = bench.mean_loss("big, pruned and healed", label_of(8)),
               small = bench.mean_loss("small from the start", label_of(8));
  bench.finish("With 8 heads left, the pruned and healed model reaches " + fixed(healed, 3) +
               ", the one that was small from the start " + fixed(small, 3) +
               " on the same tokens: " + fixed(std::abs(healed - small), 3) + " nats " + (healed < small ? "for" : "against") +
               " training big and pruning, " + against_seeds(healed - small, bench.spread()) +
               ". It keeps its wide MLPs and embedding, so it has more parameters: see the table.");
}

void distil(ExperimentBench& bench) {
  const TrainForm large{.n_layers = 2, .d_model = 96, .n_heads = 12, .n_kv_heads = 12};
  const TrainForm student{.n_layers = 2, .d_model = 48, .n_heads = 6, .n_kv_heads = 6};
  const std::int64_t teacher_tokens = 2 * bench.tokens();
  bench.result().x_name = "trained how";
  bench.expect(bench.n_seeds() * (teacher_tokens + 2 * bench.tokens()));
  for (int i = 0; i < bench.n_seeds(); ++i) {
    const auto teacher = bench.begin(bench.plan_for(large, teacher_tokens, bench.seed(i)));
    bench.train(*teacher);
    bench.add({"12 heads, d_model 96", 0, "teacher"}, bench.measure(*teacher));
    const TrainPlan plan = bench.plan_for(student, bench.tokens(), bench.seed(i));
    const auto alone = bench.begin(plan);
    bench.train(*alone);
    bench.add({"6 heads, d_model 48", 1, "student alone"}, bench.measure(*alone));
    auto network = std::make_shared<Network>(teacher->config(), bench.pool());
    std::ranges::copy(teacher->network().parameters(), network->parameters().begin());
    network->parameters_changed();
    const auto taught = bench.begin(plan);
    taught->set_teacher(network, {.weight = 0.9F, .temperature = 2});
    bench.train(*taught);
    bench.add({"6 heads, d_model 48", 2, "student of the teacher"}, bench.measure(*taught));
  }
  const double alone = bench.mean_loss("6 heads, d_model 48", "student alone"),
               taught = bench.mean_loss("6 heads, d_model 48", "student of the teacher");
  bench.finish("The student of 6 heads reaches " + fixed(alone, 3) + " alone and " + fixed(taught, 3) +
               " learning from the teacher's probabilities (weight 0.9, temperature 2) on the same tokens; the teacher of 12 "
               "heads, trained twice "
               "as long, has " +
               fixed(bench.mean_loss("12 heads, d_model 96", "teacher"), 3) + ". The difference between the students, " +
               fixed(alone - taught, 3) + " nats, is " + against_seeds(alone - taught, bench.spread()) + ".");
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
