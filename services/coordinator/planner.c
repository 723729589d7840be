#include "services/coordinator/planner.h"

#include "common/base/memory.h"

static bool wants_local(const struct planner_facts *f) {
        return f->prefer == PREFER_LOCAL;
}
static bool may_be_local(const struct planner_facts *f) {
        return f->prefer == PREFER_AUTO && !f->asked_for_check;
}
static bool is_not_verifiable(const struct planner_facts *f) {
        return f->is_refused && f->mode != MODE_FAST && !may_be_local(f);
}
static bool refused_locally(const struct planner_facts *f) {
        return f->is_refused && may_be_local(f);
}
static bool is_incomparable(const struct planner_facts *f) {
        return f->is_incomparable && !may_be_local(f);
}
static bool incomparable_locally(const struct planner_facts *f) {
        return f->is_incomparable && may_be_local(f);
}
static bool is_unportable(const struct planner_facts *f) {
        return f->is_unportable && !may_be_local(f);
}
static bool unportable_locally(const struct planner_facts *f) {
        return f->is_unportable && may_be_local(f);
}
static bool is_uniform(const struct planner_facts *f) {
        return f->is_uniform;
}
static bool keeps_private(const struct planner_facts *f) {
        return f->has_private_data && may_be_local(f);
}
/* A setting of the node is no word of whose data they are. */
static bool would_give_private_away(const struct planner_facts *f) {
        return f->has_private_data && f->is_sent_by_setting;
}
static bool has_nobody_local(const struct planner_facts *f) {
        return f->candidates == 0 && f->prefer == PREFER_AUTO && !f->names_hosts &&
               !f->is_foreign && (!f->is_uniform || may_be_local(f));
}
static bool has_none_named(const struct planner_facts *f) {
        return f->candidates == 0 && f->names_hosts;
}
static bool has_nobody(const struct planner_facts *f) {
        return f->candidates == 0;
}
static bool has_few_local(const struct planner_facts *f) {
        return f->candidates < f->need && may_be_local(f);
}
static bool is_too_big(const struct planner_facts *f) {
        return may_be_local(f) && f->needs_memory > f->memory_here && !f->is_uniform;
}
static bool is_small(const struct planner_facts *f) {
        return may_be_local(f) && f->has_workers && f->estimate_us < f->local_below_us;
}
static bool is_grid(const struct planner_facts *f) {
        return true;
}

/* The first row that applies. */
static const struct {
        bool (*applies)(const struct planner_facts *f);
        struct plan plan;
} rules[] = {
        { wants_local, { true, OUTCOME_OK, "asked_local", "local execution was asked for" } },
        { is_not_verifiable,
          { false, OUTCOME_NOT_VERIFIABLE, "not_verifiable",
            "two honest hosts may answer this query differently; --verify fast asks one, "
            "UNVERIFIED" } },
        { refused_locally,
          { true, OUTCOME_OK, "not_verifiable",
            "two honest hosts may answer this query differently, so it runs here" } },
        { is_incomparable,
          { false, OUTCOME_USAGE, "not_comparable",
            "builds may answer this query differently; --comparison class asks those of one" } },
        { incomparable_locally,
          { true, OUTCOME_OK, "not_comparable",
            "builds may answer this query differently, so it runs here; --comparison class asks "
            "those of one" } },
        { is_unportable,
          { false, OUTCOME_USAGE, "not_portable",
            "engines may answer this query differently, and `quorate explain` says where; without "
            "--engine-diverse and --comparison portable it is compared within one engine" } },
        { unportable_locally,
          { true, OUTCOME_OK, "not_portable",
            "engines may answer this query differently, so it runs here; --comparison engine asks "
            "those of one" } },
        { keeps_private,
          { true, OUTCOME_OK, "private_data",
            "the data is not public and stays here; --class public or --prefer remote sends it" } },
        { would_give_private_away,
          { false, OUTCOME_USAGE, "private_data",
            "[query] remote-only has others run it, and the data is not public; --class public or "
            "--prefer remote sends it" } },
        { has_nobody_local, { true, OUTCOME_OK, "no_peers", "no host is known, so it runs here" } },
        { has_none_named,
          { false, OUTCOME_NO_CANDIDATES, "not_known",
            "none of the hosts that were named is known here" } },
        { has_nobody, { false, OUTCOME_NO_CANDIDATES, "no_peers", "no host is known" } },
        { has_few_local,
          { true, OUTCOME_OK, "too_few_peers", "too few hosts are known to check an answer" } },
        { is_too_big,
          { false, OUTCOME_OK, "too_big",
            "runs like it have needed more memory than jobs have here, so hosts are asked" } },
        { is_small, { true, OUTCOME_OK, "too_small", "smaller than the cost of asking others" } },
        { is_uniform,
          { false, OUTCOME_NO_CANDIDATES, "one_engine",
            "engines are to agree, and hosts of one alone are known" } },
        { is_grid, { false, OUTCOME_OK, "grid", "independent hosts are asked" } },
};

void planner_decide(const struct planner_facts *f, struct plan *ret) {
        size_t i = 0;

        while (!rules[i].applies(f))
                i++;
        *ret = rules[i].plan;
}
