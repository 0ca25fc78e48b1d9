#include "app/views/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace headroom {
namespace {

/// The player's keys belong to whichever stage with a player is shown.
bool is_of_a_player(const CommandInfo& command) {
  const std::string_view id = command.id;
  return command.is_enabled != nullptr && (id.starts_with("train/") || id.starts_with("decode/"));
}

TEST(ViewCommands, IdsAndKeysAreUnique) {
  std::set<std::string> ids, keys;
  for (const CommandInfo& command : all_commands()) {
    EXPECT_TRUE(ids.insert(command.id).second) << command.id;
    const std::string chord = chord_text(command.keys);
    if (!chord.empty()) {
      const std::string stage = is_of_a_player(command) ? std::string(command.id).substr(0, 5) + " " : "";
      EXPECT_TRUE(keys.insert(stage + chord).second) << command.id << " shares " << chord;
      if (!stage.empty()) {
        EXPECT_EQ(keys.count(chord), 0u) << command.id << " shares " << chord;
      }
    }
    EXPECT_NE(command.run, nullptr) << command.id;
    EXPECT_GT(std::string(command.help).size(), 10u) << command.id << " needs a sentence for its tooltip";
  }
}

TEST(ViewCommands, KeysAreSpelledAsMenusShowThem) {
  EXPECT_STREQ(chord_text({}), "");
  EXPECT_STREQ(chord_text({Key::kS, {.ctrl = true, .shift = true}}), "Ctrl+Shift+S");
  EXPECT_STREQ(chord_text({Key::kP, {}}), "P");
  EXPECT_STREQ(chord_text({Key::kPlus, {.ctrl = true}}), "Ctrl++");
  EXPECT_STREQ(chord_text({Key::kF11, {}}), "F11");
  EXPECT_STREQ(chord_text({Key::kDelete, {}}), "Delete");
}

TEST(ViewCommands, EveryShortcutThatIsPromisedExists) {
  const auto keys_of = [](const char* id) {
    const CommandInfo* command = find_command(id);
    return command == nullptr ? std::string("missing") : std::string(chord_text(command->keys));
  };
  EXPECT_EQ(keys_of("file/new"), "Ctrl+N");
  EXPECT_EQ(keys_of("file/open"), "Ctrl+O");
  EXPECT_EQ(keys_of("file/save"), "Ctrl+S");
  EXPECT_EQ(keys_of("file/save_as"), "Ctrl+Shift+S");
  EXPECT_EQ(keys_of("file/export"), "Ctrl+E");
  EXPECT_EQ(keys_of("file/quit"), "Ctrl+Q");
  EXPECT_EQ(keys_of("edit/undo"), "Ctrl+Z");
  EXPECT_EQ(keys_of("edit/redo"), "Ctrl+Y");
  EXPECT_EQ(keys_of("edit/prune"), "P");
  EXPECT_EQ(keys_of("edit/direction"), "C");
  EXPECT_EQ(keys_of("view/log"), "L");
  EXPECT_EQ(keys_of("view/first_token"), "F");
  EXPECT_EQ(keys_of("view/scores"), "S");
  EXPECT_EQ(keys_of("view/arcs"), "A");
  EXPECT_EQ(keys_of("view/theme"), "T");
  EXPECT_EQ(keys_of("help/keys"), "F1");
  EXPECT_EQ(find_command("no/such"), nullptr);
}

}  // namespace
}  // namespace headroom
