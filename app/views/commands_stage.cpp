#include "app/views/command_groups.h"

#include "app/views/stack_tabs.h"

namespace headroom {
namespace {

const View& view(const Frame& frame) { return frame.session.view; }

using enum Key;
constexpr Modifiers kPlain{};

const CommandInfo kCommands[] = {
    {"view/heads",
     "Heads",
     "Every layer × head in one picture.",
     {k1, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kHeads}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kHeads; }},
    {"view/head",
     "Head",
     "One head, large.",
     {k2, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kHead}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kHead; }},
    {"view/token",
     "Token",
     "One token's way through a layer.",
     {k3, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kToken}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kToken; }},
    {"view/train",
     "Train",
     "Trains a model here and now, and shows what every head learns.",
     {k4, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kTrain}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kTrain; }},
    {"view/speed",
     "Speed",
     "How fast this shape runs here, measured.",
     {k5, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kSpeed}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kSpeed; }},
    {"view/stack",
     "Encoder, decoder or cross-attention",
     "Of a model with an encoder and a decoder: which of its attentions is looked at; again for the next.",
     {kE, kPlain},
     next_stack,
     has_stacks},
    {"view/lens",
     "Logit lens",
     "What each layer would say next, were it the last; again for the times.",
     {kG, kPlain},
     [](const Frame& f) {
       f.send(BottomPanelSet{view(f).bottom == BottomPanel::kLens ? BottomPanel::kTiming : BottomPanel::kLens});
     },
     nullptr,
     [](const Frame& f) { return view(f).bottom == BottomPanel::kLens; }},
    {"view/write",
     "Writing",
     "How the model writes on, and what it wrote; again for the times.",
     {kW, kPlain},
     [](const Frame& f) {
       f.send(BottomPanelSet{view(f).bottom == BottomPanel::kWrite ? BottomPanel::kTiming : BottomPanel::kWrite});
     },
     nullptr,
     [](const Frame& f) { return view(f).bottom == BottomPanel::kWrite; }},
    {"view/card",
     "Card",
     "What a configuration tells of a model: parameters, KV cache, work.",
     {k6, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kCard}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kCard; }},
    {"view/cost",
     "Cost",
     "What a model costs on a device: what fits, tokens a second, what each choice saves.",
     {k8, kPlain},
     [](const Frame& f) { f.send(StageViewSet{StageView::kCost}, "stage"); },
     nullptr,
     [](const Frame& f) { return view(f).stage == StageView::kCost; }},
};

}  // namespace

std::span<const CommandInfo> stage_commands() { return kCommands; }

}  // namespace headroom
