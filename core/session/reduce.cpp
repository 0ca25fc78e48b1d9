#include "core/session/reduce.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/formats/file.h"
#include "core/session/capture_source.h"
#include "core/session/names.h"
#include "core/session/validity.h"

namespace headroom {
namespace {

void add_notice(std::string& notice, const std::string& sentence) {
  if (sentence.empty()) return;
  if (!notice.empty()) notice += ' ';
  notice += sentence;
}

/// One reducer an Action; each changes `session` in place and adds to `notice`.
struct Reducer {
  Session& session;
  std::string& notice;
  Compute& compute = session.compute;
  View& view = session.view;

  /// After h became another: K/V heads, pruning and the chosen head were counted in the old numbering.
  void heads_changed(std::int64_t old_heads, bool was_mha) {
    resnap_kv_heads(compute, was_mha);
    if (compute.n_heads == old_heads) return;
    if (const std::size_t n = compute.pruned.size(); n > 0) {
      add_notice(notice, std::to_string(n) + (n == 1 ? " pruned head was" : " pruned heads were") +
                             " restored: with another h the heads are others.");
      compute.pruned.clear();
    }
    forget_missing_head();
  }

  void forget_missing_head() {
    if (!view.head || has_head(compute, *view.head)) return;
    view.head.reset();
    if (view.stage == StageView::kHead) view.stage = StageView::kHeads;
  }

  void restore_trained_shape() {
    const std::int64_t old_heads = compute.n_heads;
    compute.parameters = ParameterSource::kTrained;
    compute.d_model = compute.trained.d_model;
    compute.n_heads = compute.trained.n_heads;
    heads_changed(old_heads, false);
    compute.n_kv_heads = compute.trained.n_kv_heads;
  }

  void become_lab(std::int64_t d_model) {
    const std::int64_t old_heads = compute.n_heads;
    const bool was_mha = compute.n_kv_heads == compute.n_heads;
    compute.parameters = ParameterSource::kLab;
    compute.d_model = snap_lab_d_model(d_model).value;
    compute.n_heads = nearest_heads(compute, compute.n_heads).value;
    if (compute.n_heads != old_heads) {
      add_notice(notice, "h became " + std::to_string(compute.n_heads) + ": d_k = d_model / h must be whole.");
    }
    heads_changed(old_heads, was_mha);
  }

  bool check_head(const HeadRef& head) {
    if (has_head(compute, head)) return true;
    add_notice(notice, "There is no head " + head_text(head) + ": this model has " +
                           std::to_string(layers_of(compute.trained, compute.stack)) + " layers of " +
                           std::to_string(compute.n_heads) + " heads, counted from 0.");
    return false;
  }

  void operator()(const TextEdited& action) {
    const SharedText before = std::exchange(compute.text, action.text);
    add_notice(notice, limit_text(compute.text));
    if (compute.text == before) return;
    take_away_written("it followed another text.");
    view.query.reset();  // the chosen row and column were words of the other sentence
    view.key.reset();
  }

  void take_away_written(const char* why) {
    if (compute.continuation.empty()) return;
    compute.continuation.clear();
    add_notice(notice, std::string("What the model had written was taken away: ") + why);
  }

  void operator()(const ModelOpened& action) {
    if (const auto problem = shape_problem(action.shape)) {
      add_notice(notice, *problem + " The model was not opened.");
      return;
    }
    compute.model_source = action.source;
    compute.model = action.model;
    const Direction before = own_direction(compute.trained), now = own_direction(action.shape);
    compute.trained = action.shape;
    compute.stack = Compute{}.stack;
    compute.batch_entry = 0;
    take_away_written("its tokens are of another model's vocabulary.");
    if (before != now && compute.mask.direction != now) {
      compute.mask.direction = now;
      add_notice(notice, now == Direction::kBidirectional ? "This model reads both sides of a word: the mask is bidirectional."
                                                          : "This model reads on from word to word: the mask is causal.");
    }
    compute.pruned.clear();
    view.head.reset();
    view.query.reset();
    view.key.reset();
    if (view.stage == StageView::kHead) view.stage = StageView::kHeads;
    restore_trained_shape();
  }

  void operator()(const HeadsCountSet& action) {
    const std::int64_t old_heads = compute.n_heads;
    const bool was_mha = compute.n_kv_heads == compute.n_heads;
    const Snapped snapped = nearest_heads(compute, action.n_heads);
    compute.n_heads = snapped.value;
    if (snapped.value == old_heads) {
      add_notice(notice, snapped.why);
      return;
    }
    add_notice(notice, snapped.why);
    heads_changed(old_heads, was_mha);
  }

  void operator()(const KvHeadsSet& action) {
    const Snapped snapped = nearest_kv_heads(compute, action.n_kv_heads);
    compute.n_kv_heads = snapped.value;
    add_notice(notice, snapped.why);
  }

  void operator()(const DModelSet& action) {
    // The trained width is always a choice, also where the lab would not offer it.
    const bool is_trained_width = compute.parameters == ParameterSource::kTrained && action.d_model == compute.trained.d_model;
    const Snapped snapped = is_trained_width ? Snapped{action.d_model, ""} : snap_lab_d_model(action.d_model);
    add_notice(notice, snapped.why);
    if (snapped.value == compute.d_model) return;
    if (compute.parameters == ParameterSource::kTrained) {
      add_notice(notice,
                 "d_model = " + std::to_string(snapped.value) +
                     " needs other parameters: this is a seeded random (untrained) model; Reset shape returns to the trained one.");
    }
    become_lab(snapped.value);
  }

  void operator()(const ParameterSourceSet& action) {
    if (action.parameters == compute.parameters || *enum_name(action.parameters) == '\0') return;
    if (action.parameters == ParameterSource::kTrained) {
      restore_trained_shape();
    } else {
      become_lab(compute.d_model);
    }
  }

  void operator()(const LabSeedSet& action) { compute.lab_seed = action.seed; }

  void operator()(const ShapeReset&) {
    compute.pruned.clear();
    restore_trained_shape();
  }

  /// Whether the rows that the views show are what was written or typed for the model, rather than what it reads with.
  bool shows_second() const {
    return compute.trained.kind == ModelKind::kEncoderDecoder ? compute.stack != AttentionStack::kEncoder
                                                              : compute.trained.reads_pairs;
  }

  void operator()(const SecondTextEdited& action) {
    const SharedText before = std::exchange(compute.second, action.text);
    add_notice(notice, limit_text(compute.second));
    if (compute.second == before) return;
    take_away_written("it followed another text.");
    if (!shows_second()) return;
    view.query.reset();
    view.key.reset();
  }

  void operator()(const ContinuationSet& action) {
    if (compute.continuation == action.ids) return;
    compute.continuation = action.ids;
    if (action.ids.empty() && shows_second()) view.query.reset();
    if (action.ids.empty() && shows_second()) view.key.reset();
  }

  void operator()(const StackSet& action) {
    if (compute.trained.kind != ModelKind::kEncoderDecoder) {
      add_notice(notice, "This model has one stack of layers: there is no other to look at.");
      return;
    }
    const AttentionStack before = std::exchange(compute.stack, action.stack);
    if (before == compute.stack) return;
    forget_missing_head();
    // The decoder's rows are its own text on both of its attentions; keys are another text each time.
    if (before == AttentionStack::kEncoder || compute.stack == AttentionStack::kEncoder) view.query.reset();
    view.key.reset();
  }
  void operator()(const BatchEntrySet& action) {
    if (compute.batch_entry == action.entry) return;
    compute.batch_entry = std::max<std::int64_t>(0, action.entry);
    view.query.reset();  // the chosen row and column were tokens of another text
    view.key.reset();
  }
  void operator()(const DirectionSet& action) { compute.mask.direction = action.direction; }

  void operator()(const PatternSet& action) {
    MaskPattern pattern = action.pattern;
    for (const std::string& sentence : make_valid(pattern))
      add_notice(notice, sentence);
    compute.mask.pattern = std::move(pattern);
  }

  void operator()(const HeadPruneToggled& action) {
    if (!check_head(action.head)) return;
    if (compute.trained.kind == ModelKind::kEncoderDecoder && compute.stack != AttentionStack::kEncoder) {
      add_notice(notice, "Of this model the encoder's heads alone can be removed: choose its Encoder tab.");
      return;
    }
    const auto at = std::lower_bound(compute.pruned.begin(), compute.pruned.end(), action.head);
    if (at != compute.pruned.end() && *at == action.head) {
      compute.pruned.erase(at);
    } else {
      compute.pruned.insert(at, action.head);
    }
  }

  void operator()(const PruningCleared&) { compute.pruned.clear(); }
  void operator()(const BackendSet& action) { compute.backend = action.backend; }

  void operator()(const DepthSet& action) { compute.depth = action.depth; }

  void operator()(const StageViewSet& action) { view.stage = action.stage; }

  void operator()(const HeadOpened& action) {
    if (!check_head(action.head)) return;
    view.head = action.head;
    view.stage = StageView::kHead;
  }

  void operator()(const HeadSelected& action) {
    if (check_head(action.head)) view.head = action.head;
  }

  void operator()(const QuerySelected& action) {
    if (action.query < 0) return;
    view.query = action.query;
    view.key.reset();
  }

  void operator()(const CellSelected& action) {
    if (action.query < 0 || action.key < 0) return;
    view.query = action.query;
    view.key = action.key;
  }

  void operator()(const SelectionReleased&) {
    TrainView& train = session.train_view;
    if (view.stage == StageView::kTrain) {
      // The way back on its own stage: an experiment, the difference, the large head, the state looked at; then back to all heads.
      if (!train.experiment.empty()) {
        train.experiment.clear();
      } else if (train.compared) {
        train.compared.reset();
      } else if (train.heads == TrainHeads::kOne) {
        train.heads = TrainHeads::kAll;
      } else if (train.at) {
        train.at.reset();
      } else {
        view.stage = StageView::kHeads;
      }
    } else if (view.stage == StageView::kDecode && view.decode_step) {
      view.decode_step.reset();
    } else if (!is_about_heads(view.stage)) {  // shows no cell and no row: what is chosen stays for the way back
      view.stage = StageView::kHeads;
    } else if (view.key) {
      view.key.reset();
    } else if (view.query) {
      view.query.reset();
    } else if (view.stage != StageView::kHeads) {
      view.stage = StageView::kHeads;
    } else {
      view.head.reset();
    }
  }

  void operator()(const QuantitySet& action) { view.quantity = action.quantity; }
  void operator()(const PoolingSet& action) { view.pooling = action.pooling; }
  void operator()(const ColorScaleSet& action) { view.scale = action.scale; }
  void operator()(const FirstTokenSet& action) { view.first_token = action.first_token; }
  void operator()(const ColorMapSet& action) { view.colormap = action.colormap; }
  void operator()(const HeadSortSet& action) { view.sort = action.sort; }
  void operator()(const HeadGroupSet& action) { view.group = action.group; }
  void operator()(const HeadsTogetherSet& action) {
    view.together = action.together;
    view.together_by = action.by;
  }
  void operator()(const HeadFilterSet& action) {
    view.named = action.named;
    view.pattern = action.pattern;
  }
  void operator()(const HeadSearchSet& action) {
    // Who searches wants to see heads, not one picture of all that were found.
    view.together = HeadsTogether::kEach;
    view.head_search = action.search;
  }
  void operator()(const SpecialCellsSet& action) { view.special_tokens = action.special; }
  void operator()(const PairPartSet& action) { view.pair_part = action.part; }
  void operator()(const CardChosen& action) {
    view.card = action.card;
    view.card_beside = action.beside;
    view.stage = StageView::kCard;
  }
  void operator()(const WritePlanSet& action) { session.write = action.plan; }
  void operator()(const DecodePlanSet& action) { session.decode = action.plan; }
  void operator()(const DecodeSectionSet& action) { view.decode_section = action.section; }
  void operator()(const DecodeStepSet& action) { view.decode_step = action.step; }
  void operator()(const DecodeSpeedSet& action) { view.decode_speed = action.speed; }
  void operator()(const BatchPlanSet& action) { session.batch = action.plan; }
  void operator()(const BatchStepSet& action) { view.batch_step = action.step; }
  void operator()(const CostPlanSet& action) {
    session.cost = action.plan;
    session.beside = action.beside;
  }
  void operator()(const CostBesideSet& action) { view.cost_beside = action.beside; }
  void operator()(const BottomPanelSet& action) { view.bottom = action.panel; }
  void operator()(const HeadDrawingSet& action) { view.drawing = action.drawing; }

  void operator()(const ZoomSet& action) {
    // A wheel turned past its end is no mistake: clamped without a word.
    const auto bring = [](double value, double low, double high) {
      return std::isfinite(value) ? std::clamp(value, low, high) : low;
    };
    if (view.stage == StageView::kHeads) {
      view.heads_zoom = bring(action.zoom, 1, kMaxHeadsZoom);
      view.heads_pan_x = bring(action.pan_x, 0, 1);
      view.heads_pan_y = bring(action.pan_y, 0, 1);
      return;
    }
    view.zoom = bring(action.zoom, 1, kMaxZoom);
    view.stretch = std::isfinite(action.stretch) ? bring(action.stretch, 1 / kMaxZoom, kMaxZoom) : 1;
    view.pan_x = bring(action.pan_x, 0, 1);
    view.pan_y = bring(action.pan_y, 0, 1);
  }

  void operator()(const KvTypeSet& action) { view.kv_type = action.type; }
  void operator()(const KvContextSet& action) { view.kv_context = action.context; }

  void operator()(const SpeedSectionSet& action) { view.speed_section = action.section; }
  void operator()(const SpeedTokensSet& action) { view.speed_tokens = action.tokens; }
  void operator()(const SpeedSecondsSet& action) { view.speed_seconds = action.seconds; }

  void operator()(const RecipeChosen& action) {
    const auto& all = recipes();
    const auto found = std::find_if(all.begin(), all.end(), [&](const RecipeInfo& info) { return info.name == action.recipe; });
    if (found == all.end()) {
      add_notice(notice, "There is no recipe \"" + escape_for_display(action.recipe, 60) + "\".");
      return;
    }
    session.train = found->plan;
  }
  void operator()(const TrainPlanSet& action) { session.train = action.plan; }
  void operator()(const WatchedSentenceSet& action) { session.train_view.sentence = action.sentence; }
  void operator()(const TrainStackSet& action) {
    if (session.train_view.stack == action.stack) return;
    session.train_view.stack = action.stack;
    session.train_view.head.reset();
    session.train_view.heads = TrainHeads::kAll;
  }
  void operator()(const TrainHeadSelected& action) { session.train_view.head = action.head; }
  void operator()(const TrainHeadOpened& action) {
    session.train_view.head = action.head;
    session.train_view.heads = TrainHeads::kOne;
  }
  void operator()(const TrainHeadsSet& action) { session.train_view.heads = action.heads; }
  void operator()(const TrainTimeSet& action) { session.train_view.at = action.tokens; }
  void operator()(const TrainComparedSet& action) { session.train_view.compared = action.tokens; }
  void operator()(const TrainRoleToggled& action) {
    std::vector<std::string>& hidden = session.train_view.hidden_roles;
    if (std::erase(hidden, action.role) == 0) hidden.push_back(action.role);
  }
  void operator()(const ExperimentChosen& action) { session.train_view.experiment = action.experiment; }
  void operator()(const TrainSpeedSet& action) { session.train_view.speed = action.speed; }

  void operator()(const SessionReplaced& action) { session = action.session; }
};

}  // namespace

Reduced reduce(const Session& session, const Action& action) {
  Reduced result{session, ""};
  if (session.compute.model_source == ModelSource::kCapture) {
    if (const auto why = why_not_on_capture(action)) {
      result.notice = *why;
      return result;
    }
  }
  std::visit(Reducer{result.session, result.notice}, action);
  // One owner of validity: whatever an action brought, the answer can be computed and drawn.
  for (const std::string& sentence : make_valid(result.session))
    add_notice(result.notice, sentence);
  return result;
}

}  // namespace headroom
