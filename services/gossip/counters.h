#pragma once

/* What the gossip core counts; gossip.c gives their names. */

enum gossip_counter {
        GOSSIP_OFFERS_HEARD,
        GOSSIP_OFFERS_REFUSED,
        GOSSIP_BAD_RECORDS,
        GOSSIP_PUBLISHED,
        GOSSIP_QUESTIONS,
        GOSSIP_QUESTIONS_REFUSED,
        GOSSIP_ASKED,
        GOSSIP_ASK_FAILURES,
        GOSSIP_BAD_ANSWERS,
        GOSSIP_DRAWS,
        GOSSIP_CRAWLS,
        GOSSIP_LOOKUPS,
        GOSSIP_CALLS_REFUSED,
        GOSSIP_OWN_INVALID,
        GOSSIP_RPCS_EARLY,
        GOSSIP_RPCS_TOO_EARLY,
        GOSSIP_REVOKED,
        GOSSIP_REVOKED_REFUSED,
        GOSSIP_REVOKED_REPLACED,
        GOSSIP_REVOKED_TOLD,
        _GOSSIP_COUNTERS,
};
