/** An example application: pages of customers show the state of an order. */
export class Orders {
  #pushUrl;
  #key;

  constructor({ pushUrl, key }) {
    this.#pushUrl = pushUrl;
    this.#key = key;
  }

  async ship({ id, customer }) {
    const answer = await fetch(`${this.#pushUrl}/api/push`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${this.#key}` },
      body: JSON.stringify({
        channel: [`customer:${customer}`, "warehouse"],
        event: "shipped",
        data: { order: id },
      }),
    });
    if (!answer.ok) throw new Error(`the push was refused with ${answer.status}`);
  }
}
