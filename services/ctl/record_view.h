#pragma once

/* Records of the DHT as people and programs see them, and their names as people type them. */

#include "services/ctl/discovery.h"
#include "services/ctl/table.h"

#define RECORD_VIEW_NAME_SIZE 600 /* a name as text: 256 bytes in hex digits at most */

/* "/profile/12D3Koo…", "/pk/12D3Koo…" (whose bytes are the id's own), "hex:…" for what is no
 * text; appended. False: not a name. */
bool record_view_name(const char *text, struct buffer *ret);
/* The same the other way, whole and escaped; returns ret. */
const char *record_view_name_text(struct bytes name, char ret[RECORD_VIEW_NAME_SIZE]);

void record_view_json(const Dht__Record *r);
/* With all its payload; asked: how many peers were, 0: does not matter. */
void record_view_text(const Dht__Record *r, uint32_t asked);

extern const struct table_column record_view_columns[];
void record_view_cells(const struct command_context *ctx, struct table *t, const Dht__Record *r);
