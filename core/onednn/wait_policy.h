/* OpenMP that does not spin in a process full of other threads, where spin.h
 * came too late. */
#pragma once

/* libgomp's threads spin for some milliseconds after each loop, in the hope of
 * another one.  Where a decoder or another element wants the same cores,
 * every such wait costs a time slice, and a network has hundreds.  libgomp
 * spins a 3000th of that when it has more threads than there are cores: this
 * parks one more, once in a process.  It does nothing if the user has decided
 * with OMP_WAIT_POLICY or GOMP_SPINCOUNT (which libgomp reads when it is
 * loaded, too early for anybody else to set).
 *
 * Thread rule: any thread, any number of times. */
void defcn_onednn_wait_policy_calm (void);
