// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import WeakReferences
internal import ZProcCore

extension Context {
    /// Tells swift-metrics what there is now: clients, calls under way, watches, namespaces and their revisions, processes,
    /// workers and items that wait for one.
    ///
    /// Without it that is done every ten seconds. Call it before metrics are collected, to have them as of then. Does
    /// nothing where no backend was set up when the context was made.
    public func recordMetrics() { system.recordMetrics() }
}

extension ZProcSystem {
    /// For how many namespaces the revision is recorded, so that their number does not fill a backend.
    private static let metricNamespaces = 100
    private static let metricPause: Duration = .seconds(10)

    func recordMetrics() {
        guard let metrics = metrics.current else { return }
        let counts = node.counts, swarms = swarms.counts
        metrics.record(node.publishedCounts.peers, "zproc_clients")
        metrics.record(counts.calls, "zproc_calls_in_flight")
        metrics.record(waits.count + states.watchCount, "zproc_watches")
        metrics.record(processes.childCount, "zproc_processes")
        metrics.record(swarms.workers, "zproc_swarm_workers")
        metrics.record(swarms.waiting, "zproc_swarm_waiting_chunks")
        // What cannot be read now is recorded the next time.
        guard let store = states.own, let namespaces = try? store.namespaces() else { return }
        metrics.record(namespaces.count, "zproc_namespaces")
        for namespace in namespaces.prefix(Self.metricNamespaces) {
            guard let newest = try? store.engine(for: namespace).span().newest else { continue }
            metrics.record(newest.number, "zproc_revision", of: ("namespace", namespace))
        }
    }

    /// Records what there is, now and then, for as long as the system lives.
    func keepMetrics() -> Task<Void, Never>? {
        guard metrics.current != nil else { return nil }
        return Task { [system = WeakReference(self)] in
            while !Task.isCancelled {
                system.object?.recordMetrics()
                try? await Task.sleep(for: Self.metricPause)
            }
        }
    }
}
