#pragma once

/* quorate-keyring --succeed FILE --old PEER --at US: the key in the seed file FILE signs that it
 * takes the place of PEER. One half of a rotation; the other is keyring/admin's Rotate. Prints
 * "peer X", "key HEX", "signature HEX"; without --old only whose seed that is. */

#include <stdbool.h>

/* True when the first argument asks for it. */
bool succeed_is_asked(int argc, char **argv);
/* Returns an exit code. */
int succeed_main(int argc, char **argv);
