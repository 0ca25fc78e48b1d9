#include "core/formats/capture_plan.h"

#include <algorithm>
#include <set>

#include "core/attention/config.h"
#include "core/formats/capture_text.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using Role = CaptureRole;

constexpr std::int64_t kMaxLayers = 1024, kMaxHeads = 1024;

std::string of_array(const NumericArray& array) { return "Array " + in_quotes(array.name) + " " + dims_text(array.shape); }

std::string count_of(std::int64_t n, std::string_view noun) { return counted(static_cast<std::uint64_t>(n), noun); }

/// The last `n` dimensions as a part's own.
ArrayPart part_of(const NumericArray& array, std::int64_t n_own) {
  ArrayPart part{.array = array};
  part.dims.assign(array.shape.end() - n_own, array.shape.end());
  return part;
}

ArrayPart with_batch(const NumericArray& array, std::int64_t n_own) {
  ArrayPart part = part_of(array, n_own);
  if (array.rank() > n_own) {
    part.n_entries = array.shape[0];
    part.per_entry = array.size() / array.shape[0];
  }
  return part;
}

class Planner {
 public:
  explicit Planner(const CaptureFile& file) : file_(file) {}

  CapturePlan plan() {
    bool is_named = false;
    const bool is_only_first = has_one_unnamed();
    for (const NumericArray& array : file_.arrays) {
      auto name = read_capture_name(array.name);
      if (!name) continue;
      if (name->layer && array.name == "arr_0" && is_only_first) name->layer.reset();
      is_named = true;
      add(array, *name);
    }
    if (!is_named) add_only_array();
    std::erase_if(plan_.stacks, [](const StackPlan& stack) {
      return std::none_of(stack.layers.begin(), stack.layers.end(), [](const LayerPlan& layer) { return layer.is_there(); });
    });
    if (plan_.stacks.empty()) fail();
    for (StackPlan& stack : plan_.stacks)
      settle(stack);
    std::sort(plan_.stacks.begin(), plan_.stacks.end(), [](const StackPlan& a, const StackPlan& b) { return a.stack < b.stack; });
    return std::move(plan_);
  }

 private:
  /// np.savez names what it is given without a name arr_0, arr_1, ...
  bool has_one_unnamed() const {
    return std::count_if(file_.arrays.begin(), file_.arrays.end(),
                         [](const NumericArray& array) { return array.name.starts_with("arr_"); }) == 1;
  }

  [[noreturn]] void fail() const {
    std::string names;
    for (std::size_t i = 0; i < std::min<std::size_t>(file_.arrays.size(), 6); ++i)
      names += (i == 0 ? "" : ", ") + in_quotes(file_.arrays[i].name, 40) + " " + dims_text(file_.arrays[i].shape);
    if (file_.arrays.size() > 6) names += ", …";
    const std::string why = plan_.notices.empty() ? "" : " " + plan_.notices.front();
    throw Error(shown_path(file_.path) + ": holds no attention" + (names.empty() ? "" : " (it has " + names + ")") +
                ": attn.000, scores.000 or q.000 and k.000 for each layer would be right, or one array of layers x heads x queries "
                "x keys." +
                why);
  }

  void tell(std::string sentence) { plan_.notices.push_back(std::move(sentence)); }

  StackPlan& stack(AttentionStack wanted) {
    for (StackPlan& known : plan_.stacks)
      if (known.stack == wanted) return known;
    plan_.stacks.push_back({.stack = wanted, .layers = {}});
    return plan_.stacks.back();
  }

  LayerPlan* layer(const CaptureName& name, std::int64_t number) {
    if (number >= kMaxLayers) {
      tell("Layer " + std::to_string(number) + " is left out: at most " + std::to_string(kMaxLayers) + " layers are shown.");
      return nullptr;
    }
    std::vector<LayerPlan>& layers = stack(name.stack).layers;
    if (std::ssize(layers) <= number) layers.resize(static_cast<std::size_t>(number) + 1);
    return &layers[static_cast<std::size_t>(number)];
  }

  void add(const NumericArray& array, const CaptureName& name) {
    const bool is_attention = name.role == Role::kProbs || name.role == Role::kScores;
    if (is_attention) return name.layer ? add_layer_attention(array, name) : add_all_attention(array, name);
    if (name.role == Role::kPositionBias) return add_bias(array, name);
    const std::int64_t own = name.role == Role::kLogSumExp ? 2 : 3;
    NumericArray whole = array;
    if (array.rank() == own - 1) {  // one head, without an axis of its own
      const bool is_first = name.role == Role::kLogSumExp || name.axes == CaptureName::Axes::kHeadsFirst;
      whole.shape.insert(is_first ? whole.shape.begin() : whole.shape.end() - 1, 1);
    }
    if (!name.layer || whole.rank() < own || whole.rank() > own + 1)
      return tell(of_array(array) + " is left out: one of " + std::to_string(own) + " dimensions for each layer is read.");
    LayerPlan* to = layer(name, *name.layer);
    if (to == nullptr) return;
    std::optional<ArrayPart>& slot = name.role == Role::kQ   ? to->q
                                     : name.role == Role::kK ? to->k
                                     : name.role == Role::kV ? to->v
                                                             : to->logsumexp;
    const bool is_before = name.turned == CaptureName::Turned::kBefore;
    if (is_before && slot) return;  // hook_rot_q is there
    if (is_before && !has_told_before_) {
      has_told_before_ = true;
      tell(
          "hook_q and hook_k are those before any rotation: of a model with rotary positions keep hook_rot_q and hook_rot_k, or "
          "hook_pattern.");
    }
    slot = with_batch(whole, own);
    to->axes = name.axes;
  }

  void put_attention(LayerPlan& to, ArrayPart part, Role role) {
    if (part.dims[0] > kMaxHeads) return tell("An array of " + std::to_string(part.dims[0]) + " heads is left out.");
    const bool has_better = to.attention && to.attention_is == Role::kProbs;
    if (has_better && role == Role::kScores)
      return tell_once("Where a layer has probabilities and scores the probabilities are shown.");
    if (has_better) return tell(of_array(part.array) + " is left out: its layer is there under another name.");
    to.attention = std::move(part);
    to.attention_is = role;
  }

  void tell_once(const std::string& sentence) {
    if (std::find(plan_.notices.begin(), plan_.notices.end(), sentence) == plan_.notices.end()) tell(sentence);
  }

  void add_layer_attention(const NumericArray& array, const CaptureName& name) {
    NumericArray whole = array;
    if (array.rank() == 2) whole.shape.insert(whole.shape.begin(), 1);
    if (whole.rank() < 3 || whole.rank() > 4)
      return tell(of_array(array) + " is left out: a layer has heads x queries x keys, perhaps with the batch before them.");
    if (LayerPlan* to = layer(name, *name.layer)) put_attention(*to, with_batch(whole, 3), name.role);
  }

  /// Which of five axes' first two is the batch.
  bool batch_comes_second(const NumericArray& array) const {
    if (const auto axes = file_.metadata.find("axes"); axes != file_.metadata.end())
      return axes->second.find("layer") < axes->second.find("batch");
    if (array.shape[0] == 1) return false;
    return array.shape[1] == 1;
  }

  void add_all_attention(const NumericArray& array, const CaptureName& name) {
    NumericArray whole = array;
    if (array.rank() == 2) whole.shape.insert(whole.shape.begin(), 1);
    if (whole.rank() < 3 || whole.rank() > 5)
      return tell(of_array(array) + " is left out: three to five dimensions are read, the last two of them queries x keys.");
    const std::vector<std::int64_t> shape = whole.shape;
    const std::string matrix = std::to_string(shape[shape.size() - 2]) + " queries x " + std::to_string(shape.back()) + " keys";
    if (whole.rank() == 3) {
      if (LayerPlan* to = layer(name, 0)) put_attention(*to, part_of(whole, 3), name.role);
      return tell(of_array(array) + " was read as one layer of " + count_of(shape[0], "head") + " x " + matrix + ".");
    }
    const bool has_batch = whole.rank() == 5;
    const std::size_t layer_axis = has_batch && !batch_comes_second(whole) ? 1 : 0;
    const std::int64_t n_layers = shape[layer_axis], n_batch = has_batch ? shape[1 - layer_axis] : 1;
    const std::int64_t block = shape[shape.size() - 3] * shape[shape.size() - 2] * shape.back();
    for (std::int64_t l = 0; l < std::min(n_layers, kMaxLayers); ++l) {
      ArrayPart part = part_of(whole, 3);
      part.n_entries = n_batch;
      part.first = l * block * (layer_axis == 0 ? n_batch : 1);
      part.per_entry = !has_batch ? 0 : block * (layer_axis == 0 ? 1 : n_layers);
      if (LayerPlan* to = layer(name, l)) put_attention(*to, std::move(part), name.role);
    }
    const std::string layers = count_of(n_layers, "layer"), texts = count_of(n_batch, "text");
    tell(of_array(array) + " was read as " +
         (!has_batch        ? layers
          : layer_axis == 0 ? layers + " x " + texts
                            : texts + " x " + layers) +
         " x " + count_of(shape[shape.size() - 3], "head") + " x " + matrix + ".");
  }

  void add_bias(const NumericArray& array, const CaptureName& name) {
    if (array.rank() != 2 || array.shape[1] % 2 == 0)
      return tell(of_array(array) + " is left out: a bias by distance has heads x an odd number of distances.");
    if (name.layer) {
      if (LayerPlan* to = layer(name, *name.layer)) to->position_bias = part_of(array, 2);
    } else {
      shared_bias_.emplace_back(name.stack, part_of(array, 2));
    }
  }

  void add_only_array() {
    const NumericArray* only = nullptr;
    for (const NumericArray& array : file_.arrays) {
      if (!array.format.is_float() || array.rank() < 2 || array.rank() > 5) continue;
      if (only != nullptr) return;
      only = &array;
    }
    const bool may_be = only != nullptr && (file_.format == CaptureFile::Format::kNpy || only->rank() >= 3);
    if (!may_be) return;
    CaptureName name;
    if (only->name.find("score") != std::string::npos) name.role = Role::kScores;
    add_all_attention(*only, name);
  }

  /// The model may have had more layers than were captured.
  void add_layers_that_were_left_out(StackPlan& stack) {
    const auto n_layers = metadata_number(file_, "n_layers", plan_.notices);
    if (!n_layers || !(*n_layers > static_cast<double>(stack.layers.size())) || *n_layers > static_cast<double>(kMaxLayers)) return;
    stack.layers.resize(static_cast<std::size_t>(*n_layers));
  }

  /// Takes the measures of the stack from its first layer and leaves out what has others.
  void settle(StackPlan& stack) {
    if (stack.stack != AttentionStack::kEncoder || plan_.stacks.size() == 1) add_layers_that_were_left_out(stack);
    for (const auto& [of, bias] : shared_bias_) {
      if (of != stack.stack) continue;
      for (LayerPlan& layer : stack.layers)
        if (!layer.position_bias) layer.position_bias = bias;
    }
    bool is_first = true;
    std::set<std::int64_t> head_counts;
    std::vector<std::int64_t> missing;
    for (std::size_t l = 0; l < stack.layers.size(); ++l) {
      LayerPlan& layer = stack.layers[l];
      drop_parts_that_do_not_fit(layer, l);
      if (!layer.is_there()) {
        missing.push_back(static_cast<std::int64_t>(l));
        continue;
      }
      if (is_first) {
        stack.seq_q = layer.seq_q();
        stack.seq_k = layer.seq_k();
        stack.n_entries = layer.n_entries();
        is_first = false;
      }
      if (layer.seq_q() != stack.seq_q || layer.seq_k() != stack.seq_k || layer.n_entries() != stack.n_entries) {
        tell("Layer " + std::to_string(l) + " is left out: it has " + std::to_string(layer.seq_q()) + " x " +
             std::to_string(layer.seq_k()) + " queries and keys and " + count_of(layer.n_entries(), "text") + ", not " +
             std::to_string(stack.seq_q) + " x " + std::to_string(stack.seq_k) + " and " + std::to_string(stack.n_entries) + ".");
        layer = {};
        continue;
      }
      const bool is_pruned = file_.metadata.contains(layer_key("heads", static_cast<std::int64_t>(l)));
      if (!is_pruned) head_counts.insert(layer.n_heads());
      stack.n_heads = std::max(stack.n_heads, layer.n_heads());
      stack.d_head = std::max(stack.d_head, layer.d_head());
      stack.n_kv_heads = std::max(stack.n_kv_heads, layer.n_kv_heads());
    }
    if (stack.n_heads == 0) fail();
    if (stack.n_kv_heads == 0 || stack.n_heads % stack.n_kv_heads != 0) stack.n_kv_heads = stack.n_heads;
    if (head_counts.size() > 1)
      tell("The layers have from " + std::to_string(*head_counts.begin()) + " to " + count_of(*head_counts.rbegin(), "head") + ".");
    if (!missing.empty()) tell(missing_text(missing));
  }

  static std::string missing_text(const std::vector<std::int64_t>& missing) {
    std::string text;
    for (std::size_t i = 0; i < missing.size();) {
      std::size_t end = i;
      while (end + 1 < missing.size() && missing[end + 1] == missing[end] + 1)
        ++end;
      text += (i == 0 ? "" : ", ") + std::to_string(missing[i]);
      if (end > i) text += (end == i + 1 ? " and " : " to ") + std::to_string(missing[end]);
      i = end + 1;
    }
    return missing.size() == 1 ? "Layer " + text + " is not in the capture." : "Layers " + text + " are not in the capture.";
  }

  void drop_parts_that_do_not_fit(LayerPlan& layer, std::size_t number) {
    const std::string where = "Layer " + std::to_string(number) + ": ";
    if (layer.q && layer.k) {
      const std::size_t heads = layer.axes == CaptureName::Axes::kTokensFirst ? 1 : 0;
      const std::int64_t n_q = layer.q->dims[heads], n_k = layer.k->dims[heads], d = layer.q->dims[2];
      const bool is_shared = n_q % n_k == 0 || file_.metadata.contains(layer_key("kv_head_of", static_cast<std::int64_t>(number)));
      const bool fits =
          is_shared && layer.k->dims[2] == d && d <= kMaxDHead && n_q <= kMaxHeads && layer.q->n_entries == layer.k->n_entries;
      if (!fits) {
        tell(where + "q " + dims_text(layer.q->dims) + " and k " + dims_text(layer.k->dims) +
             " do not fit each other and are left out.");
        layer.q.reset();
        layer.k.reset();
      }
    }
    if (!layer.q || !layer.k) {
      if (layer.q || layer.k) tell(where + "q and k are only read together, and one of them is missing.");
      layer.q.reset();
      layer.k.reset();
      layer.v.reset();
      layer.logsumexp.reset();
    }
    if (layer.v && (layer.v->dims != layer.k->dims || layer.v->n_entries != layer.k->n_entries)) {
      tell(where + "v " + dims_text(layer.v->dims) + " is left out: k is " + dims_text(layer.k->dims) + ".");
      layer.v.reset();
    }
    if (layer.attention && layer.q) {
      const bool fits = layer.attention->dims == std::vector{layer.n_q_heads(), layer.seq_of_q(), layer.seq_of_k()} &&
                        layer.attention->n_entries == layer.q->n_entries;
      if (!fits) {
        tell(where + "q and k are left out: they are of other sizes than its attention.");
        layer.q.reset();
        layer.k.reset();
        layer.v.reset();
        layer.logsumexp.reset();
      }
    }
    if (layer.logsumexp) {
      const bool fits =
          layer.logsumexp->dims == std::vector{layer.n_heads(), layer.seq_q()} && layer.logsumexp->n_entries == layer.n_entries();
      if (!fits) {
        tell(where + "logsumexp " + dims_text(layer.logsumexp->dims) + " is left out and computed from q and k.");
        layer.logsumexp.reset();
      }
    }
    if (layer.position_bias && layer.is_there() && layer.position_bias->dims[0] != layer.n_heads()) {
      tell(where + "the position bias is left out: it has another number of heads.");
      layer.position_bias.reset();
    }
  }

  const CaptureFile& file_;
  CapturePlan plan_;
  std::vector<std::pair<AttentionStack, ArrayPart>> shared_bias_;
  bool has_told_before_ = false;
};

}  // namespace

std::int64_t LayerPlan::n_q_heads() const { return q->dims[axes == CaptureName::Axes::kTokensFirst ? 1 : 0]; }
std::int64_t LayerPlan::seq_of_q() const { return q->dims[axes == CaptureName::Axes::kTokensFirst ? 0 : 1]; }
std::int64_t LayerPlan::seq_of_k() const { return k->dims[axes == CaptureName::Axes::kTokensFirst ? 0 : 1]; }
std::int64_t LayerPlan::n_heads() const { return attention ? attention->dims[0] : n_q_heads(); }
std::int64_t LayerPlan::n_kv_heads() const { return k ? k->dims[axes == CaptureName::Axes::kTokensFirst ? 1 : 0] : n_heads(); }
std::int64_t LayerPlan::d_head() const { return q ? q->dims[2] : 0; }
std::int64_t LayerPlan::seq_q() const { return attention ? attention->dims[1] : seq_of_q(); }
std::int64_t LayerPlan::seq_k() const { return attention ? attention->dims[2] : seq_of_k(); }
std::int64_t LayerPlan::n_entries() const { return attention ? attention->n_entries : q->n_entries; }

const StackPlan* CapturePlan::find(AttentionStack stack) const {
  for (const StackPlan& known : stacks)
    if (known.stack == stack) return &known;
  return nullptr;
}

CapturePlan plan_capture(const CaptureFile& file) { return Planner(file).plan(); }

bool holds_attention(const CaptureFile& file) {
  try {
    return !plan_capture(file).stacks.empty();
  } catch (const Error&) {
    return false;
  }
}

}  // namespace headroom
