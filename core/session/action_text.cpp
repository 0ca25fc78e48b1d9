#include <cstdio>

#include "core/session/names.h"
#include "core/session/reduce.h"
#include "core/session/train_text.h"

namespace headroom {
namespace {

std::string spaced(std::string name) {
  for (char& c : name) {
    if (c == '_') c = ' ';
  }
  return name;
}

std::string model_name(const std::string& model) {
  const std::size_t end = model.find_last_not_of('/');
  if (end == std::string::npos) return model;
  const std::size_t slash = model.find_last_of('/', end);
  return model.substr(slash == std::string::npos ? 0 : slash + 1, slash == std::string::npos ? end + 1 : end - slash);
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

const char* stack_text(AttentionStack stack) {
  if (stack == AttentionStack::kEncoder) return "of the encoder";
  return stack == AttentionStack::kCross ? "on the source" : "of the sequence on itself";
}

struct Text {
  std::string operator()(const TextEdited&) const { return "edit the sentence"; }
  std::string operator()(const SecondTextEdited&) const { return "edit the second sentence"; }
  std::string operator()(const ContinuationSet& a) const {
    if (a.ids.empty()) return "take away what was written";
    return "write " + std::to_string(a.ids.size()) + (a.ids.size() == 1 ? " token" : " tokens");
  }
  std::string operator()(const StackSet& a) const { return std::string("show the attention ") + stack_text(a.stack); }
  std::string operator()(const BatchEntrySet& a) const { return "text " + std::to_string(a.entry) + " of the batch"; }
  std::string operator()(const ModelOpened& a) const { return "open " + model_name(a.model); }
  std::string operator()(const HeadsCountSet& a) const { return "h = " + std::to_string(a.n_heads); }
  std::string operator()(const KvHeadsSet& a) const { return "kv_heads = " + std::to_string(a.n_kv_heads); }
  std::string operator()(const DModelSet& a) const { return "d_model = " + std::to_string(a.d_model); }
  std::string operator()(const ParameterSourceSet& a) const {
    return a.parameters == ParameterSource::kTrained ? "trained parameters" : "random parameters";
  }
  std::string operator()(const LabSeedSet& a) const { return "seed = " + std::to_string(a.seed); }
  std::string operator()(const ShapeReset&) const { return "reset the shape"; }
  std::string operator()(const DirectionSet& a) const { return spaced(enum_name(a.direction)) + " mask"; }
  std::string operator()(const PatternSet& a) const {
    const MaskPattern& p = a.pattern;
    switch (p.kind) {
      case PatternKind::kLocalWindow:
        return "local window " + std::to_string(p.window);
      case PatternKind::kStrided:
        return "strided " + std::to_string(p.stride);
      case PatternKind::kGlobalLocal:
        return "global " + std::to_string(p.n_global) + " + local " + std::to_string(p.window);
      case PatternKind::kRandomBlocks:
        return "random blocks of " + std::to_string(p.block);
      case PatternKind::kDense:
      case PatternKind::kHashedBuckets:
        break;
    }
    return "dense pattern";
  }
  std::string operator()(const HeadPruneToggled& a) const { return "prune " + head_text(a.head); }
  std::string operator()(const PruningCleared&) const { return "restore all heads"; }
  std::string operator()(const BackendSet& a) const { return std::string("backend ") + enum_name(a.backend); }
  std::string operator()(const DepthSet& a) const {
    return a.depth == Depth::kAllLayers ? "compute all layers" : "compute the first layer";
  }
  std::string operator()(const StageViewSet& a) const { return std::string("show ") + enum_name(a.stage); }
  std::string operator()(const HeadOpened& a) const { return "open " + head_text(a.head); }
  std::string operator()(const HeadSelected& a) const { return "choose " + head_text(a.head); }
  std::string operator()(const QuerySelected& a) const { return "choose token " + std::to_string(a.query); }
  std::string operator()(const CellSelected& a) const {
    return "choose cell " + std::to_string(a.query) + ", " + std::to_string(a.key);
  }
  std::string operator()(const SelectionReleased&) const { return "release the selection"; }
  std::string operator()(const QuantitySet& a) const { return std::string("show ") + enum_name(a.quantity); }
  std::string operator()(const PoolingSet& a) const { return std::string(enum_name(a.pooling)) + " pooling"; }
  std::string operator()(const ColorScaleSet& a) const { return spaced(enum_name(a.scale)) + " color scale"; }
  std::string operator()(const FirstTokenSet& a) const {
    return a.first_token == FirstToken::kShown ? "show the first token" : "leave out the first token";
  }
  std::string operator()(const ColorMapSet& a) const { return std::string("colors ") + enum_name(a.colormap); }
  std::string operator()(const HeadSortSet& a) const { return "sort by " + spaced(enum_name(a.sort)); }
  std::string operator()(const HeadGroupSet& a) const { return std::string("group heads by ") + enum_name(a.group); }
  std::string operator()(const HeadsTogetherSet& a) const {
    if (a.together == HeadsTogether::kEach) return "show each head";
    return std::string("show the ") + enum_name(a.by) + " " + spaced(enum_name(a.together));
  }
  std::string operator()(const HeadFilterSet& a) const {
    if (a.named == View::Named::kAny) return "show heads of any pattern";
    if (a.named == View::Named::kNamed) return "show heads with a pattern";
    return "show heads of the pattern " + std::string(pattern_name(a.pattern));
  }
  std::string operator()(const HeadSearchSet& a) const { return "search heads: " + a.search; }
  std::string operator()(const SpecialCellsSet& a) const {
    return a.special == SpecialCells::kShown ? "show special tokens" : "hide special tokens";
  }
  std::string operator()(const PairPartSet& a) const { return "show " + spaced(enum_name(a.part)); }
  std::string operator()(const CardChosen& a) const {
    return a.card.empty() ? std::string("show the model's card") : "show the card " + model_name(a.card);
  }
  std::string operator()(const WritePlanSet&) const { return "change how the model writes"; }
  std::string operator()(const DecodePlanSet& a) const { return "decode with a cache: " + cache_text(a.plan.cache); }
  std::string operator()(const DecodeSectionSet& a) const {
    return a.section == DecodeSection::kSteps   ? "show decoding step by step"
           : a.section == DecodeSection::kBatch ? "show many requests"
                                                : "show loss and memory";
  }
  std::string operator()(const DecodeStepSet& a) const {
    return a.step ? "look at step " + std::to_string(*a.step) : std::string("look at the newest step");
  }
  std::string operator()(const DecodeSpeedSet& a) const { return "play " + number(a.speed) + " steps a second"; }
  std::string operator()(const BatchPlanSet&) const { return "change the requests"; }
  std::string operator()(const BatchStepSet& a) const { return "look at the requests at step " + std::to_string(a.step); }
  std::string operator()(const CostPlanSet&) const { return "change the plan"; }
  std::string operator()(const CostBesideSet& a) const {
    return a.beside == CostBeside::kPlan ? "compare two plans" : "show one plan";
  }
  std::string operator()(const BottomPanelSet& a) const {
    return a.panel == BottomPanel::kLens    ? "show the logit lens"
           : a.panel == BottomPanel::kWrite ? "show what the model writes"
                                            : "show times and the KV cache";
  }
  std::string operator()(const HeadDrawingSet& a) const { return std::string("draw as ") + enum_name(a.drawing); }
  std::string operator()(const ZoomSet& a) const { return "zoom " + number(a.zoom) + "x"; }
  std::string operator()(const KvTypeSet& a) const { return std::string("KV cache in ") + enum_name(a.type); }
  std::string operator()(const KvContextSet& a) const {
    return a.context == 0 ? std::string("KV context of the sentence") : "KV context " + std::to_string(a.context);
  }
  std::string operator()(const SpeedSectionSet& a) const { return std::string("show speed: ") + enum_name(a.section); }
  std::string operator()(const SpeedTokensSet& a) const {
    return a.tokens == 0 ? std::string("measure the sentence") : "measure " + std::to_string(a.tokens) + " tokens";
  }
  std::string operator()(const SpeedSecondsSet& a) const { return "measure " + number(a.seconds) + " s a figure"; }
  std::string operator()(const RecipeChosen& a) const { return "recipe " + a.recipe; }
  std::string operator()(const TrainPlanSet&) const { return "change the training plan"; }
  std::string operator()(const WatchedSentenceSet&) const { return "watch another sentence"; }
  std::string operator()(const TrainStackSet& a) const { return std::string("show the attention ") + stack_text(a.stack); }
  std::string operator()(const TrainHeadSelected& a) const { return "choose " + head_text(a.head) + " in training"; }
  std::string operator()(const TrainHeadOpened& a) const { return "open " + head_text(a.head) + " in training"; }
  std::string operator()(const TrainHeadsSet& a) const {
    return a.heads == TrainHeads::kAll ? "show every head in training" : "show one head in training";
  }
  std::string operator()(const TrainTimeSet& a) const {
    return a.tokens ? "look at " + std::to_string(*a.tokens) + " tokens" : std::string("look at the newest state");
  }
  std::string operator()(const TrainComparedSet& a) const {
    return a.tokens ? "compare with " + std::to_string(*a.tokens) + " tokens" : std::string("compare no more");
  }
  std::string operator()(const TrainRoleToggled& a) const { return "show or hide the role " + spaced(a.role); }
  std::string operator()(const ExperimentChosen& a) const {
    return a.experiment.empty() ? std::string("no experiment") : "experiment " + spaced(a.experiment);
  }
  std::string operator()(const TrainSpeedSet& a) const { return "training speed " + number(a.speed * 100) + " %"; }
  std::string operator()(const SessionReplaced&) const { return "open a session"; }
};

}  // namespace

std::string action_text(const Action& action) { return std::visit(Text{}, action); }

std::string action_text(const Session& before, const Action& action) {
  if (const auto* toggled = std::get_if<HeadPruneToggled>(&action)) {
    for (const HeadRef& head : before.compute.pruned) {
      if (head == toggled->head) return "restore " + head_text(head);
    }
  }
  if (const auto* plan = std::get_if<TrainPlanSet>(&action)) return train_change_text(before.train, plan->plan);
  return action_text(action);
}

}  // namespace headroom
