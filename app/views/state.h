#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/views/card.h"
#include "app/views/cost.h"
#include "app/views/decode_scratch.h"
#include "app/views/directory_reader.h"
#include "app/views/frame.h"
#include "app/views/train_scratch.h"
#include "app/widgets/look.h"
#include "app/widgets/sentence_box.h"
#include "core/attention/mask.h"
#include "core/session/token_search.h"

namespace headroom {

/// What a figure was made from; equal keys give equal figures.
struct FigureKey {
  std::uint64_t snapshot = 0;
  std::uint64_t session = 0;   ///< counts changes of the session that the views saw
  std::uint64_t runs = 0;      ///< of the timing history
  std::uint64_t speed = 0;     ///< of what was measured
  std::uint64_t training = 0;  ///< of what training handed out
  std::uint64_t cards = 0;     ///< of the cards that were read
  std::uint64_t lens = 0;      ///< of what was looked through
  std::uint64_t decode = 0;    ///< of what the Decode stage found
  std::uint64_t costs = 0;     ///< of what was planned
  Size size;
  ThemeName theme = ThemeName::kDark;
  double scale = 0;
  std::optional<std::int64_t> query, key;  ///< hovered
  bool operator==(const FigureKey&) const = default;
};
struct CachedFigure {
  std::optional<FigureKey> key;
  Figure figure;
  std::optional<std::int64_t> hovered_query, hovered_key;  ///< what the pointer was over in the frame before
};
enum class FigureKind {
  kHeads,
  kHead,
  kToken,
  kKv,
  kTiming,
  kPrediction,
  kHeadCard,
  kCell,
  kSpeed,
  kTrain,
  kTrainHappened,
  kTrainBehaviour,
  kTrainScores,
  kTrainAblation,
  kTrainExperiment,
  kCard,
  kLens,
  kWritten,
  kDecode,
  kBatch,
  kQuality,
  kCost,
  kCostArithmetic
};
inline constexpr std::size_t kFigureKinds = 23;

enum class DialogKind { kNone, kOpen, kSaveAs, kExport, kKeys, kAbout, kText, kTrainText, kTrainFolder, kTrainPlan, kClosing };

/// The file browser of the open, save and export dialogs.
struct BrowserState {
  std::array<char, 4096> path{};  ///< what the path field holds
  std::filesystem::path folder;   ///< what is listed
  std::filesystem::path wanted;   ///< what was asked of the reader
  std::vector<DirectoryEntry> entries;
  std::string problem;  ///< why the folder cannot be listed
  int selected = -1;
  bool focuses_path = false;
};

struct ExportState {
  int view = 0;
  int width = 1600, height = 900;
  int scale = 2;
  int theme = 0;
};

/// The search for a token.
struct FindState {
  std::array<char, 256> words{};
  bool is_open = false, takes_focus = false;
  TokenSearch search;
};

/// The editor of a long text: a draft that becomes the session's text when it is taken over.
struct TextDialogState {
  struct Step {
    SharedText text;
    TextCursor cursor;
  };
  SentenceBoxMemory box;
  std::vector<Step> steps;  ///< the draft as it was after each burst of typing; the editor's own undo
  std::size_t at = 0;
  double edited_at = 0;  ///< seconds
};

/// What a card says of a long text, counted once a text.
struct DocumentState {
  SharedText text;
  std::int64_t n_characters = 0;
  SharedText beginning;  ///< what the card shows of it
};

struct UiScratch::State {
  WidgetMemory widgets;
  SentenceBoxMemory sentence, second;
  KeyRange selected_tokens;  ///< of what is selected in one of them
  KeyRange followed_tokens;  ///< the last selection that chose a row
  FindState find;
  TextDialogState text_dialog;
  DocumentState document;
  std::optional<std::int64_t> listed_query;  ///< the chosen token that the list last came to
  std::unique_ptr<TextMeasurer> measurer;
  std::array<CachedFigure, kFigureKinds> figures;
  Session seen;  ///< to count changes
  std::uint64_t session_version = 0;
  std::uint64_t content_version = 0;  ///< likewise, but for zooms and pans: what stands still while a picture is moved
  std::uint64_t runs_version = 0;     ///< counts changes of the timing history
  TimingHistory seen_runs;
  TrainScratch train;
  SpeedState seen_speed;
  std::uint64_t speed_version = 0;  ///< counts changes of what was measured
  LensState seen_lens;
  std::uint64_t lens_version = 0;  ///< counts changes of what was looked through
  CardScratch card;
  DecodeScratch decode;
  CostScratch cost;

  std::array<char, 200> head_search{};  ///< what the overview's search field holds
  bool edits_head_search = false;       ///< it has the keyboard
  std::optional<HeadRef> hovered_head;  ///< under the pointer on the stage
  bool is_panning = false;
  bool is_dragging_overview = false;  ///< since a press that began on one
  double refining_since = -1;         ///< when the stage began to wait for exact tiles, seconds; negative: it does not

  double deepening_since = -1;   ///< when the deeper layers of a long text began to be computed, seconds; negative: they are not
  bool shows_deepening = false;  ///< the stage says in this frame how far that is
  double busy_since = -1;        ///< when long work began, seconds; negative: none
  DialogKind dialog = DialogKind::kNone;
  bool opens_dialog = false;
  bool closes_dialog = false;  ///< what it asked has been answered elsewhere
  BrowserState browser;
  ExportState exporting;
  bool exports_csv = false;  ///< the export dialog opens for the numbers of the Speed stage
  DirectoryReader reader;
  std::string facts, facts_shape;  ///< lines of the rail that cost something to build
  std::uint64_t facts_snapshot = ~std::uint64_t{0}, facts_session = ~std::uint64_t{0};
  std::array<char, 24> seed{};
  std::optional<std::uint64_t> seed_of;  ///< what `seed` spells
  std::string notice;                    ///< reduce's answer to a control of the shape
  std::uint64_t notice_session = 0;
  std::vector<std::int64_t> kv_values, d_model_values;  ///< what the shape's sliders can be set to
  std::uint64_t values_session = ~std::uint64_t{0};
  std::string pairs_text;
  Mask pairs_mask;
  std::int64_t pairs_seq = -1;
};

}  // namespace headroom
