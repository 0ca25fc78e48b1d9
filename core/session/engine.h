#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/session/decode_requests.h"
#include "core/session/requests.h"
#include "core/session/snapshot.h"
#include "core/session/speed.h"

namespace headroom {

/// The GPU's part, handed in so that core/session knows no OpenGL. Called on the engine's thread only.
struct GpuProvider {
  /// Opens the device on first use. Errors  Error with one sentence why there is none.
  std::function<std::unique_ptr<AttentionLayer>()> open;
  /// Name of the device, and whether it is a software renderer (then `auto` never picks it). Cheap; may open a context.
  struct Facts {
    bool is_available = false;
    bool is_software = false;
    std::string name;    ///< "llvmpipe (LLVM 15.0.6, 256 bits)"
    std::string reason;  ///< why not available
  };
  std::function<Facts()> facts;
  /// Its kernels, for measuring. Empty where there is no GPU. Errors  Error with one sentence why there is none.
  std::function<GpuKernels()> open_kernels;
};

struct EngineOptions {
  std::filesystem::path assets;           ///< folder with models/ and text/
  int n_threads = 0;                      ///< 0 = all processors
  GpuProvider gpu;                        ///< empty functions: no GPU
  std::size_t max_tokens = kMaxTokens;    ///< longer texts are cut, with a notice
  std::size_t long_tokens = kLongTokens;  ///< of more tokens the first layer alone is computed at first
  std::int64_t free_bytes = 0;            ///< of memory for a full pass over a long text; 0 = what the system says
  bool measures_held_out_loss = true;
};

/// How often each stage really ran: what tests ask to see that nothing is computed twice.
struct ComputerCounters {
  int models_loaded = 0;  ///< folders read
  int surgeries = 0;      ///< times a model was sliced, pooled, pruned or drawn at random
  int tokenisations = 0;
  int passes = 0;   ///< forward passes for a picture, timing passes included
  int losses = 0;   ///< mean losses over the held-out text
  int written = 0;  ///< tokens that a model wrote
  int decoded = 0;  ///< tokens generated for the Decode stage
};

/// Work that keeps what is expensive between calls: the loaded model, its surgery, its losses. One thread at a time.
class Computer {
 public:
  explicit Computer(EngineOptions options);
  ~Computer();

  using Progress = std::function<void(const std::string& stage, double share)>;
  const ComputerCounters& counters() const;
  /// When the next compute's request arrived, for Snapshot::engine_ms; without it, the time of the call.
  void note_arrival(std::chrono::steady_clock::time_point arrival);

  /// The picture's snapshot, without the held-out loss. Recomputes only what changed since the last call. Of a long text: its first layer,
  /// heads judged by few sampled rows.
  /// Errors  Error with one sentence; Cancelled.
  std::shared_ptr<const Snapshot> compute(const Compute& compute, std::uint64_t id, std::stop_token stop = {},
                                          const Progress& progress = {});
  /// The next better snapshot of a long text, of the same id; `shown` itself when there is none, or when it is not the last one made. In
  /// turn: what a full pass would take; that pass, where the session asks for all layers and it fits; heads judged by more rows, a few times.
  /// Errors  Error with one sentence; Cancelled. `shown` stands either way.
  std::shared_ptr<const Snapshot> refine(const std::shared_ptr<const Snapshot>& shown, std::stop_token stop = {},
                                         const Progress& progress = {});
  /// A copy of `snapshot` with the held-out loss filled in, or `snapshot` itself where nothing can be measured (the vocabulary lacks
  /// the text's words). `before` is the model as opened, or the unpruned lab model, under its own dense mask; `after` the shape,
  /// mask and pruning of the snapshot. Losses are remembered by compute without text.
  std::shared_ptr<const Snapshot> add_held_out_loss(const std::shared_ptr<const Snapshot>& snapshot, std::stop_token stop = {},
                                                    const Progress& progress = {});
  /// A copy with the other device's times filled in (GPU when the CPU ran, and the reverse).
  /// Errors  Error saying why the GPU cannot run it.
  std::shared_ptr<const Snapshot> add_other_device_timing(const std::shared_ptr<const Snapshot>& snapshot,
                                                          std::stop_token stop = {}, const Progress& progress = {});
  /// The logit lens of a token of a short text's snapshot; of a masked model in a pass in which that token is hidden.
  /// Errors  Error with one sentence, as where nothing is predicted; Cancelled.
  std::shared_ptr<const TokenLens> lens(const std::shared_ptr<const Snapshot>& snapshot, std::int64_t position,
                                        std::stop_token stop = {}, const Progress& progress = {});
  /// The model writes on. The same request gives the same tokens. Errors  Error with one sentence; Cancelled.
  std::shared_ptr<const Written> write(const WriteRequest& request, std::stop_token stop = {}, const Progress& progress = {});
  /// The model generates with a cache and without. `grown` gets what there is, step by step.
  /// Errors  Error with one sentence; Cancelled.
  std::shared_ptr<const Decoded> decode(const DecodeRequest& request, std::stop_token stop = {},
                                        const std::function<void(std::shared_ptr<const Decoded>)>& grown = {});
  /// Likewise length by length. Errors  as decode.
  std::shared_ptr<const DecodedGrowth> decode_growth(const DecodeGrowthRequest& request, std::stop_token stop = {},
                                                     const std::function<void(std::shared_ptr<const DecodedGrowth>)>& grown = {});
  /// Likewise every few rows of the text, all choices together. Errors  as decode.
  std::shared_ptr<const Quality> quality(const QualityRequest& request, std::stop_token stop = {},
                                         const std::function<void(std::shared_ptr<const Quality>)>& grown = {});
  /// Simulates. Errors  as decode.
  std::shared_ptr<const Batched> batch(const BatchWish& request, std::stop_token stop = {}, const Progress& progress = {});
  /// The report so far with one part measured anew on this machine's processors and its GPU. Errors  Error; Cancelled.
  std::shared_ptr<const SpeedReport> measure_speed(const SpeedRequest& request, SpeedPart part, std::stop_token stop = {},
                                                   const Progress& progress = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What the engine has to say, in order.
struct Answer {
  std::uint64_t id = 0;
  std::shared_ptr<const Snapshot> snapshot;  ///< set when there is a newer picture
  std::string failure;                       ///< one sentence when the request failed; the last snapshot stands
  /// Set when the answer is about measuring: this part is in `speed` anew, or could not be measured (`failure`).
  std::optional<SpeedPart> part;
  std::shared_ptr<const SpeedReport> speed;  ///< all that has been measured for the newest shape asked for
  std::shared_ptr<const TokenLens> lens;     ///< set when the answer is about the lens
  std::shared_ptr<const Written> written;    ///< set when the model has written
  /// Set when the answer is about the Decode stage: what there is of this part, or why there is none (`failure`).
  std::optional<DecodePart> decode_part;
  std::shared_ptr<const Decoded> decoded;
  std::shared_ptr<const DecodedGrowth> decode_growth;
  std::shared_ptr<const Quality> quality;
  std::shared_ptr<const Batched> batch;
  /// What failed where `failure` is set: the picture still stands where it was a wish.
  enum class About { kPicture, kLens, kWriting, kDecodeStage } about = About::kPicture;
};

/// Puts an answer about the Decode stage where views look for it.
void take_answer(DecodeState& state, const Answer& answer);

struct EngineProgress {
  bool is_busy = false;
  std::string stage;                      ///< "held-out loss"
  double share = 0;                       ///< [0, 1]
  std::optional<SpeedPart> part;          ///< what is measured for the Speed stage
  std::optional<DecodePart> decode_part;  ///< what is done for the Decode stage
};

/// One worker thread over a Computer. The newest submitted Compute wins: older work is stopped, not finished.
class Engine {
 public:
  /// `wake` is called on the worker's thread after each answer or change of progress.
  Engine(EngineOptions options, std::function<void()> wake);
  ~Engine();
  Engine(const Engine&) = delete;

  /// Never waits. Returns the id that its answers will carry.
  std::uint64_t submit(const Compute& compute);
  /// Measures the snapshot's pass on the other device too. A newer submit stops it.
  void measure_other_device();
  /// Measures the parts one after another, each answered by itself; what was measured for the same shape before is kept. A newer wish to
  /// measure, or a newer submit, stops it: a picture never waits for a measurement.
  void measure_speed(SpeedRequest request);
  /// Looks through the layers at a token of the newest snapshot. A newer submit or wish of the same kind takes its place.
  void look_through(std::int64_t position);
  /// The model writes on; answered with all that it wrote. A newer submit stops it.
  void write(WriteRequest request);
  /// For the Decode stage: answered as it grows, after the newest picture and what is asked of that. A newer wish for the same part stops
  /// the older one, a newer submit stops all; a look through a token or a wish to write is served in between.
  void decode(DecodeRequest request);
  void measure_decode_growth(DecodeGrowthRequest request);
  void measure_quality(QualityRequest request);
  void run_batch(BatchWish request);
  /// Stops what the Decode stage asked for, and nothing else.
  void cancel_decode_stage();
  /// Stops what runs; the last snapshot stands.
  void cancel();
  /// Answers since the last call; stale ones are already dropped.
  std::vector<Answer> take_answers();
  EngineProgress progress() const;
  /// Blocks until idle: for commands and tests.
  void wait();

 private:
  struct State;
  template <typename Wish, typename Request>
  void wish_for(Wish State::*wish, Request request, DecodePart part);
  std::unique_ptr<State> state_;
};

/// Names of the folders under assets/models that hold a config.json, with their shapes; sorted.
struct BundledModel {
  std::string name;
  TrainedShape shape;
};
std::vector<BundledModel> list_bundled_models(const std::filesystem::path& assets);
/// Shape of the model in a folder, from its config.json alone. Errors  Error.
TrainedShape read_model_shape(const std::filesystem::path& folder);

}  // namespace headroom
