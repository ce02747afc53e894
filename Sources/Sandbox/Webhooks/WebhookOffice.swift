import Base
import NIOCore
import Synchronization

/// The webhook sender as other threads see it: they post what happened, and ask.
final class WebhookOffice: Sendable {
  let blocklist: Blocklist
  private let configuration: SandboxConfiguration
  private let loop: any EventLoop
  private let inbox = Mutex<[Occurrence]>([])
  private let sender: NIOLoopBoundBox<WebhookSender>
  private let makeSender: @Sendable () -> WebhookSender

  init(
    _ configuration: SandboxConfiguration, loop: any EventLoop,
    secret: @escaping @Sendable (String) -> String?
  ) {
    let blocklist = Blocklist(speed: configuration.webhookSpeed)
    let text = RandomText(configuration.random)
    let make: @Sendable () -> WebhookSender = {
      WebhookSender(
        configuration, loop: loop, blocklist: blocklist, text: text, secret: secret)
    }
    self.configuration = configuration
    self.loop = loop
    self.blocklist = blocklist
    makeSender = make
    sender = .makeBoxSendingValue(make(), eventLoop: loop)
  }

  /// Hands over what happened; returns at once.
  func post(_ occurrences: [Occurrence]) {
    guard !occurrences.isEmpty else { return }
    let isFirst = inbox.withLock { inbox in
      inbox.append(contentsOf: occurrences)
      return inbox.count == occurrences.count
    }
    if isFirst { loop.execute { self.takeIn() } }
  }

  /// Asks the sender, which by then knows all that was posted before, and sends what is due.
  func ask<Answer: Sendable>(
    _ question: @escaping @Sendable (WebhookSender) -> Answer
  ) -> EventLoopFuture<Answer> {
    loop.submit {
      self.takeIn()
      self.sender.value.release()
      return question(self.sender.value)
    }
  }

  /// Forgets everything and works as configured again.
  func reset() {
    inbox.withLock { $0 = [] }
    loop.execute {
      self.sender.value.stop()
      self.blocklist.setSpeed(self.configuration.webhookSpeed)
      self.blocklist.clear()
      self.sender.value = self.makeSender()
    }
  }

  /// Ends the sender's work for good.
  func stop() -> EventLoopFuture<Void> {
    loop.submit { self.sender.value.stop() }
  }

  private func takeIn() {
    let occurrences = inbox.withLock { inbox in
      let occurrences = inbox
      inbox = []
      return occurrences
    }
    for occurrence in occurrences { sender.value.accept(occurrence) }
  }
}
