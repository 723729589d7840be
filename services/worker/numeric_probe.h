#pragma once

/* What the mathematics library gives for arguments whose last bit differs between its
 * variants (measured: with and without FMA). Part of the class of an engine. Pure. */

#include "common/crypto/hash.h"

void numeric_probe(struct hash *h);
