#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "core/corpus/translation.h"
#include "core/formats/tokenizer.h"
#include "core/roles/probe_set.h"
#include "core/roles/report.h"

namespace headroom {
namespace {

std::shared_ptr<const Corpus> grammar() {
  static const std::shared_ptr<const Corpus> opened = open_grammar(std::string(HEADROOM_SOURCE_DIR) + "/assets/grammar");
  return opened;
}

const roles_detail::RoleCaseList* list_of(const RoleProbes& probes, std::string_view id) {
  for (const roles_detail::ProbePart& part : probes.set().parts)
    for (const roles_detail::RoleCaseList& list : part.roles)
      if (list.role->id == id) return &list;
  return nullptr;
}

TEST(GrammarProbes, HaveEnoughCasesOfEveryRoleAndQuestion) {
  const RoleProbes quick(*grammar(), ModelKind::kCausal);
  for (const Role& role : roles(ModelKind::kCausal)) {
    const roles_detail::RoleCaseList* const list = list_of(quick, role.id);
    ASSERT_NE(list, nullptr) << role.id;
    EXPECT_GE(std::ssize(list->cases), 3 * kFewestCases) << role.id;
  }
  std::map<Behaviour, std::int64_t> n;
  for (const roles_detail::ProbePart& part : quick.set().parts)
    for (const roles_detail::Answer& answer : part.answers)
      ++n[answer.behaviour];
  for (const Behaviour behaviour : {Behaviour::kAgreement, Behaviour::kAgreementAcrossDistractor, Behaviour::kCoreference,
                                    Behaviour::kCopying, Behaviour::kSurname, Behaviour::kRandomCopying})
    EXPECT_GE(n[behaviour], 30) << behaviour_id(behaviour);
  EXPECT_LT(quick.n_tokens(), 8000) << "it is measured several times a second";
}

TEST(GrammarProbes, LeaveFixedDistancesWithoutAHead) {
  const RoleProbes full(*grammar(), ModelKind::kCausal, kFullProbes);
  for (const std::string_view id : {"object_verb", "preposition", "determiner", "adjective"})
    EXPECT_GE(list_of(full, id)->baseline, kFixedDistance) << id;
  // What the lessons are about cannot be had from a distance.
  for (const std::string_view id : {"subject", "predicate", "pronoun", "pronoun_name", "name", "copy", "induction"})
    EXPECT_LE(list_of(full, id)->baseline, 0.6) << id;
  EXPECT_LT(list_of(full, "antecedent")->baseline, kFixedDistance);
}

TEST(GrammarProbes, RandomSequencesAreOfNounsAndNames) {
  const std::vector<std::int32_t> ids = roles_detail::content_ids(*grammar(), kQuickProbes);
  std::set<std::string> words;
  for (const std::int32_t id : ids)
    words.emplace(grammar()->tokenizer()->token_text(id));
  EXPECT_GE(words.size(), 100U);
  for (const char* const word : {"cat", "dogs", "anna"})
    EXPECT_EQ(words.count(word), 1U) << word;
  for (const char* const word : {"the", "that", ".", "is", "<bos>", "<unk>", "<mask>", "sits", "fluffy"})
    EXPECT_EQ(words.count(word), 0U) << word;
}

TEST(GrammarProbes, TheLettersLaboratoryHasNeighboursInductionAndItsFloor) {
  const std::shared_ptr<const Corpus> letters = open_letters();
  const RoleProbes probes(*letters, ModelKind::kCausal);
  EXPECT_EQ(roles_detail::content_ids(*letters, kQuickProbes).size(), 26U);
  EXPECT_LT(list_of(probes, "induction")->baseline, 0.3);
  EXPECT_TRUE(probes.set().has_floor);
  EXPECT_GT(probes.set().floor, 0.5);
}

TEST(GrammarProbes, AlignmentOfTheInventedLanguageStandsAtNoFixedDistance) {
  const RoleProbes probes(*open_translation(std::string(HEADROOM_SOURCE_DIR) + "/assets/grammar"));
  const roles_detail::RoleCaseList* const alignment = list_of(probes, "alignment");
  ASSERT_NE(alignment, nullptr);
  EXPECT_GE(alignment->cases.size(), 300U);
  EXPECT_LT(alignment->baseline, 0.6);
  EXPECT_TRUE(probes.set().has_floor);
  EXPECT_EQ(probes.set().floor, 0);
}

}  // namespace
}  // namespace headroom
