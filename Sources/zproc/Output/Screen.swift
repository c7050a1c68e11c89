// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc

/// The whole terminal, lent for a while: what was on it comes back with ``restore()``.
struct Screen {
    /// How the keyboard was, where there is one.
    private let keyboard: termios?

    init() {
        var mode = termios()
        if tcgetattr(STDIN_FILENO, &mode) == 0 {
            keyboard = mode
            // Keys come at once and are not shown; signals stay with the terminal.
            mode.c_lflag &= ~tcflag_t(ICANON | ECHO)
            tcsetattr(STDIN_FILENO, TCSANOW, &mode)
        } else {
            keyboard = nil
        }
        // The other screen, without a cursor.
        put("\u{1b}[?1049h\u{1b}[?25l")
    }

    func restore() {
        put("\u{1b}[?25h\u{1b}[?1049l")
        if var keyboard { tcsetattr(STDIN_FILENO, TCSANOW, &keyboard) }
    }

    /// Shows lines, as many and as much of each as there is room for.
    func show(_ lines: [String]) {
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_row > 0 && size.ws_col > 0
        let (rows, columns) = isKnown ? (Int(size.ws_row), Int(size.ws_col)) : (24, 80)
        let fitting = Self.fit(lines, rows: rows, columns: columns)
        // Each line is cleared behind its text, so that nothing flickers.
        put("\u{1b}[H" + fitting.map { "\($0)\u{1b}[K" }.joined(separator: "\r\n") + "\u{1b}[J")
    }

    /// Cuts lines to a terminal's size; codes for colours take no room.
    static func fit(_ lines: [String], rows: Int, columns: Int) -> [String] {
        lines.prefix(rows).map { line in
            var fitting = "", width = 0, isCode = false, hasCode = false
            for character in line {
                if character == "\u{1b}" { (isCode, hasCode) = (true, true) }
                if isCode || width < columns { fitting.append(character) }
                if isCode { isCode = !character.isLetter } else { width += 1 }
            }
            return hasCode ? fitting + "\u{1b}[0m" : fitting
        }
    }

    /// Waits, and looks whether somebody presses `q` meanwhile; also ends when the task is cancelled.
    func isQuit(within time: Duration) async -> Bool {
        let end = ContinuousClock.now + time
        while .now < end, !Task.isCancelled {
            let rest = min(end - .now, .milliseconds(100))
            if keyboard == nil {
                try? await Task.sleep(for: rest)
            } else if await Self.key(within: max(1, Int32(rest / .milliseconds(1)))) == UInt8(ascii: "q") {
                return true
            }
        }
        return false
    }

    /// The next key, on a thread that may wait.
    private static func key(within milliseconds: Int32) async -> UInt8? {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                var descriptor = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0), byte: UInt8 = 0
                let isThere = poll(&descriptor, 1, milliseconds) > 0 && read(STDIN_FILENO, &byte, 1) == 1
                // A keyboard that is gone is ready at once, for ever.
                if !isThere, descriptor.revents != 0 { usleep(UInt32(milliseconds) * 1_000) }
                continuation.resume(returning: isThere ? byte : nil)
            }
        }
    }

    private func put(_ text: String) { try? Output.put(text) }
}
