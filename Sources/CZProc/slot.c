// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#include "CZProc.h"

static _Thread_local void *slots[CZPROC_SLOT_COUNT];

// Calls, not inlined: an async function may go on on another thread than the one whose address it has looked up.
void *czproc_thread_slot(int slot) { return slots[slot]; }

void czproc_set_thread_slot(int slot, void *pointer) { slots[slot] = pointer; }
