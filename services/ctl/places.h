#pragma once

/* What came of the places to begin that the configuration names, for who wonders why nobody is
 * there. */

#include "services/ctl/discovery.h"

/* One line for each that is no good: "begin        WHERE ([dht]): why". */
void places_text(const Dht__StatusReply *dht, const Transport__StatusReply *transport);
/* Member "places" of an object: all of them. Either may be NULL: does not answer. */
void places_json(const Dht__StatusReply *dht, const Transport__StatusReply *transport, bool *first);

#define PLACES_SHOWN 8
/* Why this node knows nobody, and what to do. */
struct places_nobody {
        char text[200], remedy[200];
        char places[PLACES_SHOWN][440]; /* those that are no good, one line each */
        size_t n_places;
};
/* `dht` and `transport` as above. */
void places_explain(const Dht__StatusReply *dht, const Transport__StatusReply *transport,
                    struct places_nobody *ret);
