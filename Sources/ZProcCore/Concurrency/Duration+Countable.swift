// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

extension Duration {
    /// The nearest duration that clocks can count: from zero to about a hundred years, longer than anybody waits.
    package var countable: Duration { min(max(self, .zero), .seconds(3_000_000_000)) }
}
