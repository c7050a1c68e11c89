// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

extension Row {
    /// A dealer that asks a router in another process, against the same in C.
    static let zeroMQ = [
        Row("zeromq.roundtrip", in: .microseconds, against: CEcho.latencyName, reach: .atMost(1.2)) { turns in
            let reference = try CEcho()
            return try await SwiftEcho.with { echo in
                try await turns.alternate {
                    try reference.latency(for: $0)
                } ours: {
                    try await echo.latency(for: $0)
                }
            }
        },
        Row("zeromq.throughput", in: .callsPerSecond, against: CEcho.throughputName, reach: .atLeast(0.6)) { turns in
            let reference = try CEcho()
            return try await SwiftEcho.with { echo in
                try await turns.alternate {
                    try reference.throughput(for: $0)
                } ours: {
                    try await echo.throughput(for: $0)
                }
            }
        },
    ]
}
