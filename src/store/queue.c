/* Two lanes, each a list with a pointer to its end. */
#include "store/queue.h"

static void lane_init(struct queue_lane *lane)
{
    lane->first = NULL;
    lane->last = &lane->first;
}

void queue_init(struct queue *queue)
{
    *queue = (struct queue){ 0 };
    lane_init(&queue->small);
    lane_init(&queue->big);
}

void queue_put(struct queue *queue, struct store_job *job)
{
    struct queue_lane *lane = job->weight <= QUEUE_SMALL_WEIGHT_MAX ? &queue->small : &queue->big;
    job->next = NULL;
    *lane->last = job;
    lane->last = &job->next;
    queue->weight += job->weight;
    queue->jobs++;
}

static struct store_job *take_from(struct queue *queue, struct queue_lane *lane, size_t weight_max)
{
    struct store_job *group = lane->first, **end = &group;
    size_t weight = 0;
    while (*end != NULL && (weight == 0 || weight + (*end)->weight <= weight_max)) {
        weight += (*end)->weight;
        queue->jobs--;
        end = &(*end)->next;
    }
    queue->weight -= weight;
    lane->first = *end;
    *end = NULL;
    if (lane->first == NULL)
        lane->last = &lane->first;
    return group;
}

struct store_job *queue_take(struct queue *queue)
{
    bool big_waits = queue->big.first != NULL;
    if (queue->small.first != NULL && (!big_waits || queue->passes < QUEUE_PASSES_MAX)) {
        queue->passes = big_waits ? queue->passes + 1 : 0;
        queue->shared = QUEUE_SHARED_GROUPS;
        return take_from(queue, &queue->small, STORE_GROUP_WEIGHT_MAX);
    }
    if (!big_waits)
        return NULL;
    queue->passes = 0;
    if (queue->shared == 0)
        return take_from(queue, &queue->big, STORE_GROUP_WEIGHT_MAX);
    queue->shared--;
    return take_from(queue, &queue->big, QUEUE_GROUP_WEIGHT_SHARED);
}
