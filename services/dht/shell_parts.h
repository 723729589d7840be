#pragma once

/* Parts of the shell that have state of their own: shell_keys.c, shell_meeting.c. */

#include "services/dht/shell.h"

/* shell.c, for a second core */
int64_t shell_wall_us(void); /* µs since 1970 */
int shell_add_timer(struct shell *s);

/* shell_keys.c: revocations for who follows dht/lookup, records of an earlier key */
void shell_keys_start(struct shell *s);  /* the keeper is there */
void shell_keys_follow(struct shell *s); /* dht/lookup is there */
void shell_keys_tick(struct shell *s);
void shell_keys_stop(struct shell *s); /* the core is gone */

/* shell_places.c: what came of the places to begin; n_peers: how many the table has */
void shell_places_tick(struct shell *s, unsigned n_peers);
void shell_places_put(struct shell *s, struct call *call, Dht__StatusReply *ret);

/* shell_meeting.c: meeting points, if the network has a secret. Returns 0 or a fault. */
int shell_meeting_start(struct shell *s);
void shell_meeting_stop(struct shell *s);
