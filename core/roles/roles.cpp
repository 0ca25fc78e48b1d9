#include "core/roles/roles.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace headroom {
namespace {

/// A head must give more than half of its attention, or more than half of its choices among many mentions.
constexpr double kMost = 0.5;
/// One definite word is asked for.
constexpr double kClearly = 0.8;

struct RelationRole {
  std::string_view id, name, looks_at, definition;
  Relation relation{};
  RoleAt at = RoleAt::kQuery;
  double threshold = kClearly;
};

Role from(const RelationRole& given) {
  Role role;
  role.id = given.id;
  role.name = given.name;
  role.looks_at = given.looks_at;
  role.definition = given.definition;
  role.relation = given.relation;
  role.at = given.at;
  role.threshold = given.threshold;
  return role;
}

Role previous_token(AttentionStack stack, std::string_view id, std::string_view where) {
  Role role;
  role.id = id;
  role.name = "previous token";
  role.looks_at = "the token before";
  role.definition =
      "How much of its attention each token gives the token right before it: the mean over " + std::string(where) + ".";
  role.stack = stack;
  role.cases = RoleCases::kPreviousToken;
  role.measure = RoleMeasure::kProbability;
  role.threshold = kMost;
  role.has_baseline = false;
  return role;
}

Role next_token(AttentionStack stack, std::string_view id, std::string_view where) {
  Role role = previous_token(stack, id, where);
  role.name = "next token";
  role.looks_at = "the token after";
  role.definition =
      "How much of its attention each token gives the token right after it: the mean over " + std::string(where) + ".";
  role.cases = RoleCases::kNextToken;
  return role;
}

Role first_token(AttentionStack stack, std::string_view id) {
  Role role = previous_token(stack, id, "");
  role.name = "first token";
  role.looks_at = "the first token of the row";
  role.definition = "How much of its attention each later token gives the first token of its row: the mean over held-out rows.";
  role.cases = RoleCases::kFirstToken;
  return role;
}

Role induction() {
  Role role;
  role.id = "induction";
  role.name = "induction";
  role.looks_at = "the token that followed last time";
  role.definition =
      "In held-out random sequences that repeat: how much of its attention a token gives the tokens that stand right after an "
      "earlier mention of "
      "the same token; copying right is no proof of it.";
  role.cases = RoleCases::kInduction;
  role.measure = RoleMeasure::kProbability;
  role.threshold = kMost;
  return role;
}

Role duplicate() {
  Role role = induction();
  role.id = "duplicate";
  role.name = "duplicate token";
  role.looks_at = "the same token elsewhere";
  role.definition =
      "In held-out random sequences that repeat: how much of its attention a token gives other mentions of the same token.";
  role.cases = RoleCases::kDuplicate;
  return role;
}

constexpr std::string_view kRandomRows = "held-out random sequences of content words";

/// What a model that reads on can do: look back, from a word or from the position that is to produce it.
std::vector<Role> causal_roles() {
  const RelationRole relations[] = {
      {"subject", "subject across a distractor, before the verb", "the subject",
       "Right before the verb, where its form must be chosen, the largest probability falls on the subject although another noun "
       "stands nearer.",
       Relation::kSubjectAcrossDistractor, RoleAt::kBefore},
      {"subject_at_verb", "subject across a distractor, at the verb", "the subject",
       "At the verb the largest probability falls on its subject although another noun stands nearer.",
       Relation::kSubjectAcrossDistractor},
      {"relative_subject", "relative verb → the noun described", "the noun that the clause describes",
       "Right before the verb of a relative clause the largest probability falls on the noun that the clause describes.",
       Relation::kRelativeSubject, RoleAt::kBefore},
      {"predicate", "predicate → subject", "the noun that is described",
       "Right before the adjective after is, was, are, were the largest probability falls on the noun or name that it will "
       "describe.",
       Relation::kPredicate, RoleAt::kBefore},
      {"antecedent", "that, who → antecedent", "the antecedent",
       "At that or who the largest probability falls on the noun or first name that it refers to.", Relation::kAntecedent},
      {"pronoun", "pronoun → noun", "the pronoun's noun",
       "At a pronoun the largest probability falls on the noun that it stands for.", Relation::kPronoun},
      {"pronoun_name", "pronoun → name", "the pronoun's name",
       "At she or he the largest probability falls on the first name that it stands for.", Relation::kPronounName},
      {"name_before_pronoun", "name, before the pronoun", "the name that the pronoun will stand for",
       "Right before she or he, where one of them must be chosen, the largest probability falls on the first name that it will "
       "stand for.",
       Relation::kPronounName, RoleAt::kBefore},
      {"pronoun_verb", "pronoun's verb → noun", "what the pronoun stands for",
       "At a pronoun, where its verb must be chosen, the largest probability falls on the noun or first name that the pronoun "
       "stands for.",
       Relation::kPronounVerb, RoleAt::kBefore},
      {"possessor", "his, her → possessor", "the possessor",
       "At his or her the largest probability falls on the first name of the one who has.", Relation::kPossessor},
      {"trait", "habit → name", "the name whose habit it is",
       "Right before a mood or a possession the largest probability falls on the first name whose habit it is.", Relation::kTrait,
       RoleAt::kBefore},
      {"name", "first name → surname", "the surname said before",
       "At a first name that was said before, the largest probability falls on the surname that followed it.", Relation::kName,
       RoleAt::kBefore, kMost},
      {"copy", "copying → first mention", "the word to be copied",
       "In a repeated list or quote, right before a word, the largest probability falls on the same word in its first saying.",
       Relation::kCopy, RoleAt::kBefore, kMost},
      {"object_verb", "object → verb", "the verb", "At an object noun the largest probability falls on its verb.",
       Relation::kObjectVerb},
      {"preposition", "noun → preposition", "the preposition",
       "At the noun after a preposition the largest probability falls on the preposition.", Relation::kPrepositionObject},
      {"preposition_host", "preposition → host", "the word that the preposition belongs to",
       "At a preposition the largest probability falls on the word that it is attached to.", Relation::kPrepositionHost},
      {"place_subject", "place → subject", "the subject whose place it is",
       "Right before the noun after a preposition the largest probability falls on the subject whose favourite place it may be.",
       Relation::kPlaceSubject, RoleAt::kBefore},
      {"determiner", "noun → determiner", "the determiner", "At a noun the largest probability falls on its determiner.",
       Relation::kDeterminer},
      {"adjective", "noun → adjective", "the adjective", "At a noun the largest probability falls on the adjective before it.",
       Relation::kAdjective},
  };
  std::vector<Role> all;
  for (const RelationRole& relation : relations)
    all.push_back(from(relation));
  all.push_back(previous_token(AttentionStack::kSelf, "previous", kRandomRows));
  all.push_back(first_token(AttentionStack::kSelf, "first"));
  all.push_back(induction());
  all.push_back(duplicate());
  return all;
}

/// What a model that sees the whole row can do: everything is read at the word itself, and also from the word that a link points
/// at.
std::vector<Role> masked_roles() {
  const RelationRole relations[] = {
      {"subject", "verb → subject across a distractor", "the subject",
       "At the verb the largest probability falls on its subject although another noun stands nearer.",
       Relation::kSubjectAcrossDistractor},
      {"relative_subject", "relative verb → the noun described", "the noun that the clause describes",
       "At the verb of a relative clause the largest probability falls on the noun that the clause describes.",
       Relation::kRelativeSubject},
      {"predicate", "predicate → subject", "the noun that is described",
       "At the adjective after is, was, are, were the largest probability falls on the noun or name that it describes.",
       Relation::kPredicate},
      {"antecedent", "that, who → antecedent", "the antecedent",
       "At that or who the largest probability falls on the noun or first name that it refers to.", Relation::kAntecedent},
      {"pronoun", "pronoun → noun", "the pronoun's noun",
       "At a pronoun the largest probability falls on the noun that it stands for.", Relation::kPronoun},
      {"pronoun_name", "pronoun → name", "the pronoun's name",
       "At she or he the largest probability falls on the first name that it stands for.", Relation::kPronounName},
      {"possessor", "his, her → possessor", "the possessor",
       "At his or her the largest probability falls on the first name of the one who has.", Relation::kPossessor},
      {"name", "surname → same surname", "the surname said before",
       "At a surname the largest probability falls on the same surname said before.", Relation::kName, RoleAt::kQuery, kMost},
      {"copy", "copying → first mention", "the same word in its first saying",
       "At a word of a repeated list or quote the largest probability falls on the same word in its first saying.", Relation::kCopy,
       RoleAt::kQuery, kMost},
      {"object_verb", "object → verb", "the verb", "At an object noun the largest probability falls on its verb.",
       Relation::kObjectVerb},
      {"verb_object", "verb → object", "the object", "At a verb the largest probability falls on its object noun.",
       Relation::kObjectVerb, RoleAt::kKey},
      {"preposition", "noun → preposition", "the preposition",
       "At the noun after a preposition the largest probability falls on the preposition.", Relation::kPrepositionObject},
      {"preposition_object", "preposition → noun", "the preposition's noun",
       "At a preposition the largest probability falls on the noun after it.", Relation::kPrepositionObject, RoleAt::kKey},
      {"preposition_host", "preposition → host", "the word that the preposition belongs to",
       "At a preposition the largest probability falls on the word that it is attached to.", Relation::kPrepositionHost},
      {"determiner", "noun → determiner", "the determiner", "At a noun the largest probability falls on its determiner.",
       Relation::kDeterminer},
      {"determiner_noun", "determiner → noun", "the determiner's noun",
       "At a determiner the largest probability falls on its noun.", Relation::kDeterminer, RoleAt::kKey},
      {"adjective", "noun → adjective", "the adjective", "At a noun the largest probability falls on the adjective before it.",
       Relation::kAdjective},
      {"adjective_noun", "adjective → noun", "the adjective's noun",
       "At an adjective the largest probability falls on the noun after it.", Relation::kAdjective, RoleAt::kKey},
  };
  std::vector<Role> all;
  for (const RelationRole& relation : relations)
    all.push_back(from(relation));
  all.push_back(previous_token(AttentionStack::kSelf, "previous", kRandomRows));
  all.push_back(next_token(AttentionStack::kSelf, "next", kRandomRows));
  all.push_back(first_token(AttentionStack::kSelf, "first"));
  all.push_back(duplicate());
  return all;
}

std::vector<Role> translation_roles() {
  Role alignment;
  alignment.id = "alignment";
  alignment.name = "alignment";
  alignment.looks_at = "the source word to be translated";
  alignment.definition =
      "Right before a word of the translation the largest probability falls on the source word that it stands for, although the "
      "word order differs.";
  alignment.stack = AttentionStack::kCross;
  alignment.cases = RoleCases::kAlignment;
  alignment.at = RoleAt::kBefore;
  std::vector<Role> all{alignment};
  all.push_back(previous_token(AttentionStack::kSelf, "previous", "held-out translations"));
  all.push_back(first_token(AttentionStack::kSelf, "first"));
  all.push_back(previous_token(AttentionStack::kEncoder, "encoder_previous", "held-out source sentences"));
  all.push_back(next_token(AttentionStack::kEncoder, "encoder_next", "held-out source sentences"));
  return all;
}

}  // namespace

std::span<const Role> roles(ModelKind kind) {
  static const std::vector<Role> causal = causal_roles();
  static const std::vector<Role> masked = masked_roles();
  static const std::vector<Role> translation = translation_roles();
  switch (kind) {
    case ModelKind::kCausal:
      return causal;
    case ModelKind::kMasked:
      return masked;
    case ModelKind::kEncoderDecoder:
      break;
  }
  return translation;
}

const Role* find_role(ModelKind kind, std::string_view id) {
  const std::span<const Role> all = roles(kind);
  const auto found = std::ranges::find(all, id, &Role::id);
  return found == all.end() ? nullptr : &*found;
}

}  // namespace headroom
