// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ZProc

/// What `top` shows at a time.
struct TopFrame {
    /// What a hub has said of itself.
    struct Sample {
        var address: String
        var hub: HubInfo
        /// In seconds.
        var roundTrip: Double
        var processes: [ZProc.ProcessInfo]
        var instant: ContinuousClock.Instant
    }

    private let sample: Sample
    /// Shares of one processor by process.
    private let shares: [Int: Double]

    /// - Parameters:
    ///   - sample: what to show.
    ///   - last: the sample before it; without one, shares are those of a process's whole life.
    init(_ sample: Sample, since last: Sample?) {
        self.sample = sample
        let seconds = last.map { (sample.instant - $0.instant) / .seconds(1) } ?? 0
        var shares: [Int: Double] = [:]
        for process in sample.processes {
            let old = last?.processes.first {
                $0.processID == process.processID && $0.processorTime <= process.processorTime
            }
            if let old, seconds > 0 {
                shares[process.processID] = (process.processorTime - old.processorTime) / seconds
            } else {
                shares[process.processID] = process.uptime > 0 ? process.processorTime / process.uptime : 0
            }
        }
        self.shares = shares
    }

    /// The busiest processes first.
    func lines(_ style: Style) -> [String] {
        let hub = sample.hub
        let head = [
            "\(sample.address)  pid \(hub.processID)  version \(hub.version)  up \(Text.duration(hub.uptime))",
            "\(Text.count(hub.clients, "client"))  \(Text.count(hub.callsInFlight, "call")) in flight  "
                + "\(Text.count(hub.namespaces, "namespace"))  answered in \(Text.duration(sample.roundTrip))",
        ]
        var table = Table(
            .init(title: "PID", isNumber: true),
            .init(title: "CPU", isNumber: true),
            .init(title: "MEMORY", isNumber: true),
            .init(title: "UPTIME", isNumber: true),
            .init(title: "NAME")
        )
        for process in sample.processes.sorted(by: { (share($1), $0.processID) < (share($0), $1.processID) }) {
            table.add(
                String(process.processID),
                Text.percent(share(process)),
                Text.bytes(process.memory),
                Text.duration(process.uptime),
                process.name
            )
        }
        return head.map(Text.printable) + [""] + table.lines(style)
    }

    private func share(_ process: ZProc.ProcessInfo) -> Double { shares[process.processID] ?? 0 }
}
