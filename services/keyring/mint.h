#pragma once

/* quorate-keyring --new: makes a seed file, or (--libp2p) the private key of a
 * foreign libp2p peer, with the proof of work its network asks for. Beside a seed: its
 * revocation, to be put away. */

#include <stdbool.h>

/* True when the first argument asks for it. */
bool mint_is_asked(int argc, char **argv);
/* Returns an exit code. */
int mint_main(int argc, char **argv);
