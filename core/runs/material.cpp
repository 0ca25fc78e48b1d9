#include <cmath>

#include "core/corpus/repeats.h"
#include "core/corpus/text_corpus.h"
#include "core/formats/model_folder.h"
#include "core/runs/trainer.h"
#include "core/tensor/error.h"

namespace headroom {

namespace fs = std::filesystem;

std::shared_ptr<const Tokenizer> TrainMaterial::tokenizer() const { return parallel ? parallel->tokenizer() : corpus->tokenizer(); }

const std::string& TrainMaterial::tokenizer_json() const {
  return parallel ? parallel->tokenizer_json() : corpus->tokenizer_json();
}

std::int64_t TrainMaterial::vocab_size() const { return parallel ? parallel->vocab_size() : corpus->vocab_size(); }

std::int64_t TrainMaterial::max_positions(const TrainPlan& plan) const {
  if (!parallel) return plan.row_length;
  return std::max(parallel->max_source(), parallel->max_target() + 1);  // the decoder reads <bos> first
}

RoleProbes TrainMaterial::probes(const TrainPlan& plan, const ProbeOptions& options) const {
  ProbeOptions own = options;
  own.length = plan.row_length;
  return parallel ? RoleProbes(*parallel, own) : RoleProbes(*corpus, plan.form.kind, own);
}

TrainMaterial open_material(const TrainPlan& plan, const fs::path& assets, const TrainWatch& watch) {
  const TrainData& data = plan.data;
  if (watch.stop.stop_requested()) throw Cancelled();
  if (watch.on_progress) watch.on_progress("opening the corpus", 0);
  TrainMaterial material;
  switch (data.kind) {
    case DataKind::kGrammar:
      material.corpus = open_grammar(
          assets / "grammar", {.stories = data.stories, .lists = data.lists, .quotes = data.quotes, .weights = data.weights});
      if (data.repeats.first_share > 0 || data.repeats.last_share > 0) {
        const auto n_rows = static_cast<double>(n_steps(plan) * plan.rows_per_step * plan.accumulation);
        material.corpus = with_repeats(material.corpus, {.first_share = data.repeats.first_share,
                                                         .last_share = data.repeats.last_share,
                                                         .first_words = data.repeats.first_words,
                                                         .from_row = std::llround(n_rows * data.repeats.from),
                                                         .to_row = std::llround(n_rows * data.repeats.to),
                                                         .min_period = static_cast<int>(data.min_period),
                                                         .max_period = static_cast<int>(data.max_period)});
      }
      break;
    case DataKind::kLetters:
      material.corpus = open_letters(static_cast<int>(data.min_period), static_cast<int>(data.max_period));
      break;
    case DataKind::kTranslation:
      material.parallel = open_translation(assets / "grammar");
      break;
    case DataKind::kText: {
      if (data.path.empty()) throw Error("no text is chosen to train on: name a .txt file");
      TextCorpusOptions options;
      options.vocabulary = data.vocabulary;
      options.on_progress = watch.on_progress;
      options.stop = watch.stop;
      const std::shared_ptr<const TextCorpus> text = open_text(data.path, options);
      material.notices = text->facts().notices;
      material.corpus = text;
      break;
    }
  }
  return material;
}

ModelParams open_model(const std::string& name, const fs::path& assets) {
  if (name.empty()) throw Error("no model is named to start from or to learn from");
  const bool is_bundled = name.find('/') == std::string::npos && fs::exists(assets / "models" / name / "config.json");
  return load_model_folder(is_bundled ? assets / "models" / name : fs::path(name)).params;
}

}  // namespace headroom
