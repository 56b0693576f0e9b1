/* The backward pass of a net, step by step, that tells when the gradient of a
 * parameter is complete: what is to be done with it can begin.
 *
 * Thread rule: as the net's.
 */
#pragma once

#include "net.h"

G_BEGIN_DECLS

/* What defcn_net_backward() does, never from a recording; @be is the net's.
 * Calls @final with each trained weight and bias as soon as the work that
 * completes its gradient is queued, in the same order every time, whatever the
 * size of the input. */
void defcn_backward_run (DefcnNet *net, DefcnBackend *be,
    void (*final) (DefcnTensor *param, gpointer data), gpointer data);

G_END_DECLS
